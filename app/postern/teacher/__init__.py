"""The live teacher behind the student: who is asked, and how its failures stay contained."""
