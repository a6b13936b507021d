"""The live teacher behind the student: who is asked, and how a failure stays bounded."""
