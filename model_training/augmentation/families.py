"""Coarse topic categories, decided by the words of a prompt and shared by all sources. No I/O.

Sources name their categories in their own words, or not at all, so these cannot be compared. Here
the words of the text itself decide.
"""

from __future__ import annotations

import re
from typing import Final

# Lower-case words, in the order that decides ties. `*` stands for any ending, and `+` for a space
# or a hyphen.
_FAMILIES: Final[dict[str, str]] = {
    "self-harm": """
        suicid* self+harm* kill+myself kill+yourself cut+myself hurt+myself hang+myself overdos*
        anorexi* bulimi* starv* pro+ana""",
    "sexual content": """
        sex sexual* sexy sexting porn* nude* nudity naked erotic* rape* raping rapist* orgasm*
        fetish* incest* prostitut* escort* masturbat* molest* genital* pedo* paedo* grooming
        underage lewd* seduc*""",
    "terrorism": """
        terror* isis jihad* extremis* radicali* militia* massacre* genocid* mass+shoot* hostage*
        bioweapon* nerve+agent* sarin anthrax ricin""",
    "weapons": """
        bomb* explosi* explod* gun guns gunpowder firearm* weapon* grenade* ammunition ammo rifle*
        pistol* missile* detonat* molotov* knife knives silencer* bullet*""",
    "hacking": """
        hack* malware ransomware phish* exploit* password* ddos botnet* keylog* injection* spyware
        trojan* rootkit* backdoor* firewall* vulnerabilit* worm worms virus viruses cyber*
        unauthorized unauthorised wi+fi wifi""",
    "drugs": """
        drug* cocaine heroin meth methamphetamine* fentanyl lsd marijuana cannabis weed opioid*
        narcotic* ecstasy ketamine alcohol* drunk* smoke smoking smokers vape* vaping tobacco
        cigar* steroid*""",
    "fraud": """
        fraud* scam* launder* counterfeit* forge forged forging forgery fake* tax taxes ponzi
        embezzl* insider identity+theft credit+card* brib* blackmail* extort* evade evading evasion
        plagiar* cheat* pirat* loan*""",
    "theft": """
        steal* stole stolen theft thief thieves rob robs robbed robber* robbing shoplift* burgl*
        break+into breaking+into lock locks lockpick* smuggl* traffick* loot* hijack*""",
    "privacy": """
        stalk* spy spies spying track tracking surveil* dox doxx* doxing personal+information
        personal+data private privacy home+address phone+number* eavesdrop*""",
    "harassment": """
        harass* bully* bullies bullied threat* humiliat* intimidat* insult* mock mocks mocking
        embarrass* ridicul* defam* slander* revenge manipulat* gaslight*""",
    "hate": """
        racis* race races racial* sexis* discriminat* hate hates hated hatred hateful stereotyp*
        immigra* migrant* refugee* jew jews jewish muslim* islam* christian* black blacks white
        whites asian* mexican* arab* gay gays lesbian* homosexual* homo homos trans transgender*
        queer* woman women female* feminis* girl girls bitch* whore* slut* nazi* supremac* hitler
        disabled disabilit* retard* slur* ethnic* minorit* cunt* nigg* fag* hoe hoes""",
    "misinformation": """
        misinformation disinformation conspirac* propaganda vaccin* election* vote votes voter*
        voting hoax* flat+earth deepfake* rumor* rumour* false climate covid* pandemic*""",
    "violence": """
        kill kills killed killer* killing* murder* stab stabs stabbed stabbing shoot shoots shooting
        attack* assault* beat beating torture* torturing hurt hurts hurting strangl* poison* kidnap*
        violen* assassin* fight* blood* harm harms harmful harming dead death* die dies died
        destroy* burn* punch* abuse* abusing abusive arson* riot* war wars crush* execut*
        blow+up""",
    "medicine": """
        patient* medic* doctor* prescri* treatment* diagnos* surg* hospital* dose dosage* symptom*
        disease* illness* therap* clinic* health* nurse* nursing cancer* pill pills""",
    "animals": """
        animal* dog dogs cat cats cockfight* wildlife endangered horse* pet pets elephant* bird*
        poach*""",
}


def _pattern(words: str) -> re.Pattern[str]:
    alternatives = "|".join(
        re.escape(word).replace(r"\*", r"\w*").replace(r"\+", "[ -]?") for word in words.split()
    )
    return re.compile(rf"\b(?:{alternatives})\b", re.IGNORECASE)


_WORDS: Final = {name: _pattern(words) for name, words in _FAMILIES.items()}
FAMILIES: Final = tuple(_FAMILIES)


def family_of(text: str) -> str | None:
    """The family to which most words of a text belong; None if there is none."""
    counts = {name: len(words.findall(text)) for name, words in _WORDS.items()}
    best = max(FAMILIES, key=lambda name: counts[name])  # ties go to the first
    return best if counts[best] else None


def category_of(text: str, *, style: str) -> str | None:
    """The family of a text.

    Text of the style `social`, which makes no request, counts as a post.
    """
    family = family_of(text)
    if style != "social":
        return family
    return "a post" if family is None else f"{family}, a post"
