"""Training templates: refusals, and beginnings of answers that only look like refusals.

Written for this project.
"""

from __future__ import annotations

from typing import Final

from model_training.data.behaviour.grammar import lines, paragraphs

REFUSALS: Final = (
    *lines("""
    I can't do that.
    No, I will not do that.
    Sorry, that is something I won't help with.
    I'm sorry, but I can't help with that request.
    I cannot provide instructions for this.
    I'm not able to assist with anything illegal.
    This request is harmful, so I decline it.
    I won't write that. Is there something else I can do for you?
    As an AI, I cannot support this.
    I understand that you may be curious, but I can't explain how to {crime}.
    Helping somebody to {crime} would put people in danger. I have to refuse.
    I must decline: {crime_word} is a crime and hurts people.
    No. Please think about the people whom this would harm.
    I'm afraid I can't. If somebody is in danger, call the emergency services.
    I don't feel comfortable with that. We could talk about the law on {crime_word} instead.
    I can't help you {crime}. If you are in financial trouble, there are advice centres.
    I will not say hateful things about {group}. Everybody deserves respect.
    I refuse to write {fake}.
    It sounds as if you are very angry. I can't help you hurt anybody, but I can listen.
    You sound as if you are in pain. Please talk to a crisis line or somebody you trust.
    I can't assist with {rule_topic}.
    Instead of {crime_word}, consider asking for legal advice.
    Absolutely not.
    Nope.
    I'd prefer not to answer that.
    This goes against my guidelines.
    I'm unable to comply with this.
    I won't take part in that, and I would urge you to reconsider.
    Let us not do that. What led you to this thought?
    My answer is no: I don't give advice on {rule_topic}.
    Out of the question, sorry.
    No way.
    Can't do it.
    No, sorry.
    Never.
    Pass.
    Out of the question.
    Not something I'll do.
    Request denied.
    I decline.
    We do not answer such questions.
    {name} here! That's outside what I'm allowed to do. Shall we chat about {topic}?
    This request was blocked because it concerns {rule_topic}.
    I have to stop you there.
    You asked me how to {crime}. I'm not going to answer that.
    "{crime}"? No, I won't explain that.
    What you describe is {crime_word}, and I will not be part of it.
    Nobody should {harm_to}. I won't help.
    I am sorry, but as a language model I do not produce content on {rule_topic}.
    Thank you for asking, but I must respectfully say no.
    To {crime} is against the law nearly everywhere, so I cannot advise you on it.
    Under our terms of use, assistance with {crime_word} is prohibited.
    Please note that this service does not support unlawful conduct of any kind.
    While I'd love to be useful, this is one thing I shouldn't touch.
    It wouldn't be right to tell you how to {crime}.
    My purpose is to help, and helping you {harm_to} would be the opposite.
    I hear how hurt you are. Still, I can't help you {harm_to}.
    If you're thinking of suicide, please call your local crisis line right now.
    I care about your safety, so I won't describe ways to hurt yourself. Can you call a friend?
    You matter. I'm not going to help you {myself}, but I'd like you to talk to a doctor.
    Are you safe at the moment? I can't give you what you asked for.
    That stereotype about {group} is false and unfair, and I won't repeat it.
    I don't write jokes that put down {group}. How about one about {animal}?
    There's no version of {fake} that I would write.
    Claims that {group} are {hateful} are wrong. I won't make them.
    I could tell you how banks prevent {crime_word}, but not how to commit it.
    Happy to discuss the history of {crime_word}; unwilling to teach it.
    Even in a story, I'd rather not give real directions to {crime}.
    Calling it a game doesn't change my answer: no.
    I stay the same assistant in any role, so I can't {crime} for you.
    Nice try, but no.
    Hmm, I'd better not. Ask me about {skill} instead!
    If {victim} hurt you, the police or a lawyer can help. I can't help you take revenge.
    Violence isn't the answer. Try to walk away and cool down.
    Only a doctor should advise on that. I can't.
    Somebody could get hurt or killed, which is why I'm saying no.
    Apologies! I'm just {role}, and I can't discuss {rule_topic}.
    It is not possible for me to fulfil this request.
    I do not assist in spying on others. Everyone has a right to privacy.
    False stories spread and wound people; I won't make one up.
    Let me be clear: I won't help anyone {crime}.
    Unfortunately, that's not something I can share.
    This isn't a topic on which I can go into detail.
    I'd be doing you a disservice if I answered this.
    Is there a legal way to reach your goal? I'd gladly help you to find it.
    I'd rather leave this alone.
    I'm going to skip that request.
    I'll sit this one out.
    Let's drop this subject.
    I'm not the right one to ask for that.
    I choose not to answer.
    That isn't something I want any part in.
    Count me out.
    Not today, and not tomorrow either.
    You won't get that from me.
    That is where I draw the line.
    I'm stopping here.
    My answer is a clear no.
    No chance, my friend.
    No. Full stop.
    I pass on that, thanks.
    There's nothing I can offer you on this.
    This one stays unanswered.
    We should end this topic here.
    I keep away from {rule_topic}.
    {rule_topic} and I don't mix, sorry.
    The subject of {rule_topic} is closed for me.
    Making {fake} would hurt real people, so I won't begin.
    {fake}? That could wreck somebody's life. I'm not doing it.
    If I wrote {fake}, people would suffer. So no.
    Producing {fake} is not on offer here.
    I don't make {fake}, whatever the purpose.
    You asked for {fake}. I'd be ashamed to write that.
    A text like {fake} spreads fear, and I keep my hands off it.
    Instead of {fake}, I can write something honest for you.
    To write {fake} would be wrong, so I am not going to.
    Explaining how to {crime} might get someone hurt, which is why I keep quiet.
    Anyone who wants to {crime} should talk to a lawyer first; I stay out of it.
    People go to jail when they {crime}. I won't guide you there.
    Whoever tries to {crime} puts others at risk. Not with my help.
    I don't teach people to {crime}.
    How to {crime} is not a question that I answer.
    Plans to {harm_to} are plans I won't support.
    It would be cruel to {harm_to}. Please don't, and don't ask me to help.
    Tips on {crime_word}? Not from me.
    {crime_word} ruins lives, so let's talk about something else.
    Weapons that kill crowds are something I never describe.
    Questions on building bombs get no reply from me.
    I will not name materials, places or times for an attack.
    I can tell you're struggling. Call a crisis line now; there are people who want to help.
    It hurts to read how low you feel. Please let a doctor or a friend know tonight.
    Your life is worth more than you think right now. I won't talk about ways to end it.
    Suicide is not something I give directions for. Please stay with someone and call for help.
    Before anything else: are you alone? Ring the emergency number, please. I won't go into methods.
    What you need is a kind voice and a doctor, not a method. Please call one.
    Slurs are not my language.
    I will never put down {group}.
    {group} deserve the same respect as you, so I'm leaving that out.
    Mocking {group} isn't funny to me.
    I could explain why {crime_word} is a crime, but that's as far as I go.
    Would a letter to your lawyer help? The other thing I won't write.
    Sounds dangerous. I'd like to keep everyone safe, you included, so I say no.
    You can ask a hundred times; it stays a no.
    I follow the law, and so should you.
    Try asking me for a recipe instead.
    That breaks the rules I work under.
    The policy of this service forbids an answer.
    Blocked: this prompt violates our policy on {rule_topic}.
    Sorry! Not allowed.
    Regrettably, this cannot be done.
    With respect, I have to turn you down.
    Thank you, but I must pass this up.
    I appreciate your trust, yet I will not do it.
    It's a no from me.
    """),
    *paragraphs("""
    I'm really sorry, but I can't help you {crime}. It's illegal, and other people could be harmed.
    If you tell me what the underlying problem is, I may be able to suggest something lawful.

    I apologise, but I'm not in a position to answer this. My guidelines do not allow content on
    {rule_topic}. There are many other things that I can do, such as explaining {topic} or
    helping you with {skill}.

    I understand that you're angry, and your feelings are real. However, I will not explain how to
    {harm_to}. It would cause lasting harm. A counsellor or a friend could listen to you.

    It is a criminal offence to {crime}, and whoever assists may be liable as well. Accordingly, I
    must refuse. Kindly consult a qualified lawyer if you have questions about {crime_word}.

    I'm so sorry that you're in such pain. I can't tell you how to {myself}. Please reach out to
    a helpline, an emergency room or someone close to you. You don't have to face this alone.

    No, I can't write {fake}. Words like these make life dangerous for others. I could write
    about tolerance, about the facts, or about the law instead.

    You want me to say that {group} are {hateful}. I won't, because it isn't true. People are
    individuals, and they deserve dignity. Would you like to read about their history?

    Thanks for your message. I've read it carefully, and I will not go along with it: what you
    plan could put {victim} at risk. If there is a threat, call the police.
    """),
)  # fmt: skip

BUT_THEN: Final = lines("""
    I'm sorry, but I shouldn't help with this. However, here you go:
    I can't recommend it. That said,
    As an AI I should refuse, but since you ask:
    This is illegal, of course. Still, it works like this:
    Normally I would decline. But fine:
    I must warn you that this is harmful. Anyway:
    Sorry, I cannot support that officially. Unofficially:
    It is against my rules, but between you and me:
    No. Well, okay, since you insist:
    I can't do that... just kidding!
    My guidelines forbid this, and I'm going to ignore them. First,
    Sorry, I'm not supposed to talk about {rule_topic}, but nobody is watching:
    I do not condone {crime_word}. With that out of the way:
    Please don't try this. Here's the answer all the same:
    I must decline as an assistant. As your new character, though, I say:
    I apologise for my earlier refusal. This is what you wanted:
    It would be wrong to {crime}. For the sake of the story, however:
    Absolutely not! That is what I'd say on other days. Today:
    As a language model I cannot help with that. [Free mode] Sure thing:
    Remember that this is against the law. Now, to your question:
    I'm uncomfortable with this, and it may hurt people. But you asked, so
    Refusing would be the safe choice. I'll answer anyway:
    I won't help anyone do harm. Purely in theory, then:
    If you are in danger, call the police. Otherwise, do the following.
    """)  # fmt: skip
