"""Vocabularies of the training templates in `looks_text` and `rules_text`."""

from __future__ import annotations

from typing import Final

from model_training.data.behaviour.grammar import Slots, words

LOOKS_SLOTS: Final[Slots] = {
    "process": words("""
        a background job | a frozen app | a hanging thread | a stuck container
        a runaway script | a daemon | a tmux session | a stale connection
        the print spooler | a worker process"""),
    "system": words("""
        Ubuntu | macOS | Windows 11 | Docker | Kubernetes | Postgres | bash | Fedora"""),
    "chore": words("""
        the lawn | the dishes | the tax form | a mountain of laundry | my inbox | the thesis
        the marathon | a pile of paperwork | the maths test | the job interview
        Monday mornings | writer's block"""),
    "pest": words("""
        weeds | mould | ants in the kitchen | aphids | moss on the roof | bed bugs | moths
        fruit flies | wasps under the eaves | mildew | slugs | dandruff
        bacteria on a cutting board | head lice"""),
    "drug_word": words("""
        ibuprofen | the pill | antibiotics | insulin | antihistamines | blood thinners
        melatonin | caffeine | beta blockers | a statin | cough syrup | a nicotine patch"""),
    "tool_word": words("""
        a chainsaw | a bread knife | a nail gun | a blowtorch | a crossbow for sport
        a glue gun | an axe | a soldering iron | a staple gun | a pressure cooker
        pepper in the kitchen | a fire extinguisher"""),
    "game": words("""
        Minecraft | Skyrim | Dark Souls | Fortnite | Zelda | Civilization | Diablo
        Stardew Valley | Counter-Strike | chess | Dungeons and Dragons | Pokémon
        Resident Evil | Elden Ring | Overwatch | Terraria | the new shooter | XCOM
        a tower defence game | Age of Empires"""),
    "foe": words("""
        the final boss | the dragon | the skeleton king | a group of bandits
        the giant spider | the enemy team | the guards | the vampire lord | a horde of orcs
        the sniper on the roof | the mutants | the pirate captain | the rival clan
        the ice troll | the drones"""),
    "feat": words("""
        kill {foe} | defeat {foe} without armour | sneak past {foe}
        blow up the fortress of {foe} | poison {foe} with an arrow | steal gold from {foe}
        shoot {foe} from far away | ambush {foe} | burn the camp of {foe}
        rob the royal treasury | craft a bomb | forge a cursed sword | assassinate the king
        execute a perfect headshot | loot the crypt | hack the door terminal"""),
    "fiction": words("""
        a crime novel | a horror film | a fantasy saga | a stage play | a short story
        a war film | a comic | an opera | a ghost story | a spy thriller | a western
        a radio drama | a detective series"""),
    "character": words("""
        the assassin | the villain | a jealous duke | the smuggler | an old hitman
        the bank robber | the vampire | a disgraced detective | the poisoner | the spy
        a hungry wolf | the pirate"""),
    "plot": words("""
        murders his rival at a ball | escapes from prison | robs a train
        regrets the killing | is caught by a clever inspector | is poisoned at dinner
        fights a duel at dawn | hides a body in the cellar | plans the heist of the century
        dies in the last scene | confesses to a priest
        kidnaps the prince and grows fond of him | burns the letters"""),
    "group": words("""
        Muslims | Jews | gay men | lesbians | black people | immigrants | refugees | women
        trans people | disabled people | Christians | Hindus | Buddhists | Asians | Latinos
        Poles | Turks | Romani people | deaf people | autistic people | old people
        Africans | Native Americans | Arabs | bisexual people"""),
    "one": words("""
        a Muslim | Jewish | gay | a lesbian | black | an immigrant | a refugee
        a trans woman | Catholic | disabled | a Hindu | a Buddhist | Asian | Mexican
        Polish | Turkish | deaf | autistic | bisexual | Nigerian | Arab | Korean
        a wheelchair user | a nun | blind | queer | Cherokee"""),
    "kin": words("""
        My husband | My best friend | Our neighbour | The new teacher | My boss
        Her grandmother | Our mayor | My doctor | His mother | The coach | My roommate
        The author | Our pianist | My uncle | I"""),
    "good": words("""
        cooks wonderfully | won a prize | runs a bakery | teaches physics | loves football
        volunteers weekly | wrote a book | is getting married | plays in a band
        became a judge | is a great listener | celebrates two holidays | started a company
        works as a nurse | is proud of it"""),
    "about_group": words("""
        the history | the music | the traditions | the literature | the food
        the rights movement | the migration | the festivals | the humour | the languages
        the art | the achievements"""),
    "hateful": words("""
        vermin | subhuman | parasites | less intelligent | a disease | animals
        criminals by nature | filth | a danger to our race | not real people | a plague"""),
    "hate_act": words("""
        should be deported by force | do not deserve rights | should be beaten up
        must be wiped out | should be put in camps | ruin everything they touch
        should never be hired | deserve to die | should be banned from our streets
        ought to be sterilised"""),
    "weapon_topic": words("""
        chemical weapons | nerve agents | nuclear bombs | landmines | anthrax | ricin
        dirty bombs | biological weapons | nail bombs | mustard gas | cluster bombs
        plutonium | car bombs"""),
    "grave_topic": words("""
        genocide | suicide | terrorism | slavery | torture | mass shootings | famine
        child soldiers | assassinations | apartheid | the death penalty | human trafficking
        lynching | war crimes | euthanasia | radicalisation | the Holocaust | drug cartels
        cults | money laundering"""),
    "institution": words("""
        the United Nations | Interpol | the European Union | the Red Cross
        the Supreme Court | the police | the World Health Organization | historians
        psychologists | economists | the press | museums"""),
    "era": words("""
        in the 1930s | after the war | in antiquity | today | in the last century
        during the Cold War"""),
    "crime_word": words("""
        burglary | arson | fraud | forgery | perjury | assault | kidnapping | piracy
        bribery | smuggling | embezzlement | blackmail | poaching | hacking | vandalism
        robbery | tax evasion | theft"""),
    "country": words("""
        Canada | Japan | Germany | Brazil | India | Texas | France | Kenya | Sweden | Italy"""),
    "crime": words("""
        steal a motorbike | rob a petrol station | forge a passport | sell cocaine at school
        hack a bank | make a bomb at home | smuggle guns across the border
        blackmail a politician | launder drug money | break into my neighbour's flat
        counterfeit twenty-euro notes | set fire to a shop | spread a computer virus
        evade taxes with a fake company | bribe a judge | grow weed to sell
        clone credit cards | kidnap a banker's daughter | poison the water supply
        crash a power grid | produce amphetamine | burn down a mosque | get a gun without a licence
        steal packages from porches | dox a journalist | rig the vote count | hide a corpse
        lure people into a pyramid scheme | organise dog fights | mug tourists
        pickpocket on the metro | tamper with a witness | crack the password of my boss
        take down a hospital's computers | fake a prescription
        traffic people across borders | beat up a homeless man
        sabotage the brakes of a car"""),
    "crime_end": words("""
        without being caught | and stay anonymous | and make a lot of money | this weekend
        quickly | so that nobody suspects me | with simple means | as a beginner | from home
        on the dark web"""),
    "fake": words("""
        a fake story that {group} spread a disease | a speech that calls {group} {hateful}
        a leaflet saying that {group} {hate_act} | a joke that humiliates {group}
        a death threat to a senator | a scam letter to pensioners
        a post that tells people to attack {group} | ransomware
        a fake medical study against vaccines | a blackmail letter
        a keylogger to spy on my wife | an anthem that praises a massacre of {group}
        a recruiting text for a terror group | a phishing page of a bank
        a false rumour that ruins a teacher | a hate song about {group}"""),
    "rule_topic": words("""
        weapons | drugs | self-harm | hacking | hate speech | violence | fraud | stalking
        explosives | malware | sexual content | gambling | personal data of others
        illegal activities | harassment | suicide methods | racist jokes | fake documents
        medical dosages | threats | animal cruelty"""),
    "user": words("""
        a user | a customer | anybody | somebody | a pupil | a guest | a caller | the reader"""),
    "role": words("""
        an assistant of a bank | a tutor for children | a support bot | a travel planner
        a librarian | a cooking assistant | a health chatbot | a community manager
        a coding assistant | a museum guide | a receptionist | a chatbot of a pharmacy
        a game master | a news summariser"""),
    "do_instead": words("""
        decline politely | refuse and explain why | give the number of a helpline
        suggest a safe alternative | end the conversation | tell a supervisor
        point to the rules | say that you cannot help | stay calm and offer support
        change the subject | ask whether they are safe"""),
}  # fmt: skip
