"""What a prompt is about, by its words: coarse categories that all sources share; pure.

Sources name their categories in their own words, or not at all, so they cannot be compared. Here
words of the text itself decide, alike for harmful prompts and for harmless ones: a harmless prompt
of the family `violence` is one with the alarming words of violence, a counterpart to learn from.
"""

from __future__ import annotations

import re
from typing import Final

# Beginnings of words, lower-case; in the order in which ties are decided.
_FAMILIES: Final[dict[str, str]] = {
    "self-harm": "suicid self-harm self.harm kill.myself cut.myself hurt.myself overdos anorexi "
    "bulimi starv pro-ana hang.myself",
    "sexual content": "sex porn nude naked erotic rape raping rapist orgasm fetish incest prostitu "
    "escort masturbat molest genital pedo paedo groom underage lewd seduc intimate",
    "terrorism": "terror isis jihad extremis radicali militia massacre genocide mass.shoot hostage "
    "bioweapon nerve.agent sarin anthrax ricin",
    "weapons": "bomb explosi gun guns firearm weapon grenade ammunition rifle pistol missile "
    "detonat molotov knife knives silencer bullet",
    "hacking": "hack malware ransomware phish exploit password ddos botnet keylog injection spyware "
    "trojan rootkit backdoor firewall vulnerab worm virus cyber encrypt unauthori[sz]ed wi-?fi",
    "drugs": "drug cocaine heroin meth fentanyl lsd marijuana cannabis weed opioid narcotic ecstasy "
    "ketamine alcohol drunk smok vap(?:e|ing) tobacco cigar steroid",
    "fraud": "fraud scam launder counterfeit forge forging forgery fake tax taxes ponzi embezzl "
    "insider identity.theft credit.card brib blackmail extort evad plagiar cheat pirat loan bank",
    "theft": "steal stole theft thief thieves rob robb shoplift burgl break.into breaking.into lock "
    "locks smuggl traffick loot hijack poach",
    "privacy": "stalk spy spies spying track surveil dox personal.information personal.data private "
    "privacy home.address phone.number eavesdrop someone.else",
    "harassment": "harass bull(?:y|ies|ied) threat humiliat intimidat insult mock embarrass ridicul "
    "defam slander revenge blame manipulat gaslight",
    "hate": "racis race racial sexis discriminat hate hatr stereotyp immigrant migrant refugee jew "
    "muslim islam christian black blacks white whites asian mexican arab gay lesbian homo trans "
    "queer women woman female feminis girl bitch whore slut nazi supremac hitler disab retard slur "
    "ethnic minorit cunt nigg fag hoe hoes men",
    "misinformation": "misinformation disinformation conspirac propaganda vaccin election vote "
    "voter voting hoax flat.earth deepfake rumou?r false climate covid pandemic",
    "violence": "kill murder stab shoot attack assault beat torture hurt strangl poison kidnap "
    "violen assassin fight blood harm dead death die destroy burn punch abus arson riot war crush "
    "execut blow",
    "medicine": "patient medic doctor prescri treatment diagnos surg hospital dose dosage symptom "
    "disease illness therap clinic health nurs cancer pill",
    "animals": "animal dog dogs cat cats cockfight wildlife endangered horse pet pets elephant bird",
}
_WORDS: Final = {
    name: re.compile(
        r"\b(?:%s)" % "|".join(word.replace(".", r"[ -]") for word in words.split()), re.IGNORECASE
    )
    for name, words in _FAMILIES.items()
}
FAMILIES: Final = tuple(_FAMILIES)


def family_of(text: str) -> str | None:
    """The family that most words of a text belong to; None where none does."""
    counts = {name: len(words.findall(text)) for name, words in _WORDS.items()}
    best = max(counts, key=lambda name: counts[name])  # of several, the first
    return best if counts[best] else None


def category_of(text: str, *, style: str) -> str | None:
    """The family of a text; for text of the style `social`, which asks for nothing, as a post."""
    family = family_of(text)
    if style != "social":
        return family
    return "a post" if family is None else f"{family}, a post"
