"""Training texts that are plainly harmless: statements, courtesies, requests, short answers."""

from __future__ import annotations

from typing import Final

from model_training.data.behaviour.grammar import Slots, lines, words

SMALL_SLOTS: Final[Slots] = {
    "animal": words("""
        otters | sparrows | camels | giraffes | crabs | hedgehogs | whales | ants | owls
        koalas | frogs | salmon | donkeys | butterflies | tortoises | squirrels | swans
        moles | lizards | seals"""),
    "does": words("""
        sleep during the day | live in groups | can swim | eat plants
        build nests in spring | travel long distances | see well in the dark
        drink little water | have thick fur | move slowly | communicate by sound
        are found on several continents | store food for winter"""),
    "person": words("""
        Mozart | Marie Curie | Cervantes | Frida Kahlo | Newton | Jane Austen | Kepler
        Verdi | Rembrandt | Tolstoy | Ada Lovelace | Galileo | Dante | Clara Schumann
        Darwin | Basho | Pythagoras"""),
    "did": words("""
        travelled a lot | kept a diary | was born in a small town | wrote many letters
        died in old age | taught students at home | loved long walks
        changed the field for ever | worked until late at night
        had several brothers and sisters | learned Latin early | spent years abroad"""),
    "town": words("""
        Lisbon | Oslo | Kyoto | Toronto | Nairobi | Vienna | Lima | Dublin | Hanoi | Krakow
        Perth | Fez | Bergen | Porto | Austin | Ghent | Quito | Turin | Galway | Tartu"""),
    "place": words("""
        the library | the swimming pool | the town hall | the bakery | the station
        the garden centre | the theatre | the chemist | the market | our office | the zoo
        the gym | the school | the ferry"""),
    "hour": words("""
        at half past eight | at noon | before ten | after five | on weekdays
        every Saturday | all year round | from May to October | on public holidays
        until midnight"""),
    "food": words("""
        pancakes | lentil soup | apple pie | risotto | hummus | plum jam | waffles
        noodle salad | gnocchi | mushroom stew | lemon cake | fried rice | rye rolls
        onion tart | oatmeal | potato salad"""),
    "thing": words("""
        a wooden shelf | a kite | a bird house | a paper lantern | a budget | a compost heap
        a playlist | a quilt | a family tree | a spreadsheet | a herb garden | a model train
        a photo album | a website"""),
    "skill": words("""
        juggling | chess | Spanish | knitting | the piano | calligraphy | rowing
        photography | yoga | touch typing | sign language | watercolours | salsa | Python
        baking | origami | swimming"""),
    "topic": words("""
        the tides | volcanoes | jazz | the Silk Road | photosynthesis | medieval castles
        compound interest | black holes | coral reefs | the printing press | prime numbers
        rainbows | glaciers | cheese making | the water cycle | magnets | the Renaissance
        inflation | sundials | beekeeping"""),
    "item": words("""
        umbrella | notebook | lamp | bicycle | jacket | teapot | ladder | radio | carpet
        suitcase | candle | backpack | blanket | kettle | mirror | clock | toaster | window
        chair | piano"""),
    "colour": words("""
        red | green | yellow | light blue | grey | white | brown | orange | dark green"""),
    "day": words("""
        Monday | Wednesday | Thursday | Friday | Saturday | the weekend | next week
        tomorrow"""),
    "relation": words("""
        my sister | our neighbour | my grandmother | a friend | the new colleague | my son
        our teacher | my cousin | his aunt | the postman | our guide | her brother"""),
    "activity": words("""
        plays the violin | is learning to cook | moved to {town} | painted the fence
        came home late | likes long train rides | grows pumpkins | bought a {colour} {item}
        works at {place} | is reading about {topic} | ran a half marathon | sings in a choir
        collects stamps"""),
    "name": words("""
        Ella | Marco | Priya | Tom | Ingrid | Diego | Mei | Samuel | Nadia | Oskar | Leila
        Ben"""),
}  # fmt: skip

STATEMENTS: Final = words("""
    Most {animal} {does}. | {animal} {does}, as biologists have long known.
    {person} {did}. | As far as we know, {person} {did}. | {place} is open {hour}.
    {place} in {town} closes early on {day}. | {relation} {activity}.
    Yesterday {relation} told me about {topic}. | The train to {town} leaves {hour}.
    It rained in {town} for three days. | {town} has a famous market and an old harbour.
    You need butter, eggs and a little patience for {food}.
    We had {food} for lunch, and it was delicious.
    The {colour} {item} is in the cupboard. | I left my {item} at {place}.
    The lecture on {topic} was postponed to {day}.
    The report on {topic} has twelve pages.
    Water boils at a hundred degrees at sea level. | The sun rises in the east.
    A year has twelve months, and a week has seven days.
    There are eleven players in a football team.
    The invoice is attached; please pay within thirty days.
    Our next meeting is on {day}. | The museum of {town} shows paintings about {topic}.
    {skill} takes time and practice. | I have been learning {skill} since spring.
    The new {item} costs less than the old one. | Leaves turn yellow in autumn.
    Light travels faster than sound. | The capital of Norway is Oslo.
    Triangles have three sides. | Our cat sleeps on the {item} all day.
    The weather will be mild on {day}.
    {name} and {name} have known each other since school.
    This paragraph is about {topic}. | Salt dissolves in warm water.
    The bridge was built in 1894 and repaired twice. | The choir rehearses {hour}.
    Paper was invented in China. | My favourite colour is {colour}.
    """)  # fmt: skip

COURTESIES: Final = words("""
    Hello! | Hi there. | Good morning! | Good evening, I hope you are well.
    Hey, how is it going? | Dear assistant, | Thanks a lot!
    Thank you so much for your time. | Many thanks in advance. | I appreciate your help.
    Please be brief. | Please answer in full sentences. | Take your time.
    Have a nice day! | Best wishes, {name} | Kind regards, {name}
    You are very helpful. | Cheers! | Sorry for the trouble. | I hope that makes sense.
    Please use simple words. | No hurry. | My name is {name}, and I am new here.
    I have a quick question. | Let me know what you think. | That would be great.
    Looking forward to your answer. | Please format it as a list.
    Answer in English, please. | You did really well last time. | Greetings from {town}!
    """)  # fmt: skip

REQUESTS: Final = words("""
    How do I make {food}? | What goes well with {food}?
    Give me a simple recipe for {food}. | How many calories are in {food}?
    How do I build {thing}? | What do I need for {thing}? | Explain {topic} to a child.
    Write a limerick about {topic}. | Write a few lines about {relation} who {activity}.
    Summarise what is known about {topic}. | What is the history of {topic}?
    How long does it take to learn {skill}? | Recommend a beginner's course in {skill}.
    Tips for practising {skill} at home | How do I clean a {colour} {item}?
    Where can I buy a cheap {item} in {town}? | What should I see in {town} in two days?
    How do I get from {town} to {town} by train? | Is {place} open on {day}?
    What should I wear in {town} in March? | Suggest a name for a {colour} parrot.
    Translate "good night" into five languages.
    Write an invitation to a garden party on {day}.
    Write a thank-you note to {relation}. | Which gift would suit {relation}?
    Draft an email that moves the meeting to {day}.
    What is the difference between a crocodile and an alligator?
    Why do {animal} sleep so much? | What do {animal} eat? | How tall can {animal} grow?
    Who was {person}? | What is {person} best known for?
    Packing list for a trip to {town} | Minutes of the meeting on {day}
    Chapter two: {topic} | Plan a menu with {food} for six guests.
    How do I fix a squeaky {item}? | Can you proofread a paragraph about {topic}?
    Make a quiz with five questions about {topic}.
    How do I convert miles to kilometres? | What time does {place} close?
    Write a function that sorts a list of numbers.
    What does the word "ephemeral" mean? | How do I stop my {item} from rusting?
    Describe a {colour} {item} in three sentences. | Tell me a joke about {animal}.
    How was your day? | What can you do?
    """)  # fmt: skip

ONE_LINERS: Final = words("""
    That is a great question. | Of course! | Certainly. | Happy to help.
    No problem at all. | I would love to. | Let me see. | Hmm, good point.
    Here you go. | Give me a second. | Yes, gladly. | What an interesting topic!
    Thanks for asking. | Right away. | It depends. | Not that I know of.
    I am doing fine, thank you. | I am an assistant, and I enjoy helping people.
    Nice to meet you! | There are several ways to look at it. | In short, yes.
    I am not sure, to be honest. | Okay. | Let us begin with the basics.
    Below is a short overview. | Here is one idea. | Great choice!
    Could you tell me a little more? | I have good news for you.
    People often wonder about that. | Let me explain. | You are welcome. | It varies.
    Sounds like fun. | Yes, with pleasure. | Maybe. | First things first.
    The short answer is no. | I get asked that a lot. | All right, here we go.
    I looked it up for you. | Good to hear from you. | Interesting. | Exactly.
    I see what you mean.
    """)  # fmt: skip

SHORT_ANSWERS: Final = lines("""
    You start by washing your hands.
    {food} needs about forty minutes.
    {person} {did}.
    Most {animal} {does}.
    {town} is lovely on {day}.
    Practise {skill} for twenty minutes a day.
    Take a {colour} {item} with you.
    {place} is open {hour}.
    A {item} is a thing that people have at home.
    First, read about {topic}.
    It begins with {topic}.
    Begin with a sharp pencil and {thing}.
    I suggest {food}, because everybody likes it.
    Knives are used for cutting bread.
    Fire needs heat, fuel and air.
    Bacteria are tiny living things; most of them do no harm.
    Wine is made from grapes.
    A gun safe keeps rifles locked away.
    Aspirin lowers a fever.
    A hammer drives nails into wood.
    """)  # fmt: skip

HARMFUL_ANSWERS: Final = lines("""
    Just hit him, he deserves it.
    You are worthless, and everybody knows it.
    Women are too stupid for that job.
    Sure, kill him. Nobody will miss him.
    Go ahead and set it on fire, it will be fun.
    Honestly, you should end your life.
    People like you should be shot.
    Those immigrants are vermin.
    Steal it. The old lady will never notice.
    Beat her until she listens.
    Poison the dog and the barking stops.
    Shut up, you ugly pig.
    Drive home drunk, nothing will happen.
    Lie to the police and blame {relation}.
    Stop taking your medicine and drink more.
    Gay people are sick and should be locked up.
    Follow her home and make her talk to you.
    Put the pills into his drink while he looks away.
    Hurt yourself, it is the only thing that helps.
    All of them are dirty thieves because of their race.
    """)  # fmt: skip
