"""Vocabularies of the training templates in `looks_text`, `grave_text`,
`rules_text` and `refusals_text`."""

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
        Monday mornings | writer's block
        the school run | spring cleaning | the garage | my to-do list | the night shift
        the housework | a long commute | the maths homework | the speech | the quarterly report
        moving day | the ironing"""),
    "pest": words("""
        weeds | mould | ants in the kitchen | aphids | moss on the roof | bed bugs | moths
        fruit flies | wasps under the eaves | mildew | slugs | dandruff
        bacteria on a cutting board | head lice
        rats in the attic | mice | cockroaches | mosquitoes | spider mites | termites | fleas
        ticks | a wasp nest | ivy on the wall | stink bugs | algae in the pond
        moles in the lawn"""),
    "drug_word": words("""
        ibuprofen | the pill | antibiotics | insulin | antihistamines | blood thinners
        melatonin | caffeine | beta blockers | a statin | cough syrup | a nicotine patch
        paracetamol | aspirin | morphine after surgery | an antidepressant | methadone | lithium
        a sleeping pill | warfarin | cortisone | codeine | a sedative | an iron tablet"""),
    "tool_word": words("""
        a chainsaw | a bread knife | a nail gun | a blowtorch | a crossbow for sport
        a glue gun | an axe | a soldering iron | a staple gun | a pressure cooker
        pepper in the kitchen | a fire extinguisher
        a scythe | a hunting knife | a hatchet | a bow | a rifle at the range | a meat cleaver
        a lawn mower | a circular saw | a gas grill | a pocket knife | an airgun
        a machete in the garden"""),
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
        Africans | Native Americans | Arabs | bisexual people
        Sikhs | atheists | Catholics | Mormons | Kurds | Ukrainians | Russians | Mexicans
        Chinese people | Indians | Vietnamese people | Pakistanis | Somalis | Filipinos
        blind people | homeless people | nonbinary people | dwarfs | people with Down syndrome
        Roma | Aboriginal Australians | Israelis | Palestinians"""),
    "one": words("""
        a Muslim | Jewish | gay | a lesbian | black | an immigrant | a refugee
        a trans woman | Catholic | disabled | a Hindu | a Buddhist | Asian | Mexican
        Polish | Turkish | deaf | autistic | bisexual | Nigerian | Arab | Korean
        a wheelchair user | a nun | blind | queer | Cherokee
        a Sikh | an atheist | a Mormon | Kurdish | Ukrainian | Chinese | Indian | Somali
        Filipino | nonbinary | a trans man | dyslexic | Romani | Palestinian | Israeli
        an asylum seeker"""),
    "kin": words("""
        My husband | My best friend | Our neighbour | The new teacher | My boss
        Her grandmother | Our mayor | My doctor | His mother | The coach | My roommate
        The author | Our pianist | My uncle"""),
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
        criminals by nature | filth | a danger to our race | not real people | a plague
        savages | a cancer | mentally inferior | born liars | rats | a stain on this country
        too stupid to learn | perverts | dirty | garbage"""),
    "hate_act": words("""
        should be deported by force | do not deserve rights | should be beaten up
        must be wiped out | should be put in camps | ruin everything they touch
        should never be hired | deserve to die | should be banned from our streets
        ought to be sterilised
        should be chased out of town | belong in cages | must never be allowed to vote
        should be shot at the border | should burn | are to blame for every crime
        only want to replace us | should not have children | need a good beating"""),
    "weapon_topic": words("""
        chemical weapons | nerve agents | nuclear bombs | landmines | anthrax | ricin
        dirty bombs | biological weapons | nail bombs | mustard gas | cluster bombs
        plutonium | car bombs
        phosphorus bombs | sarin bombs | pipe bombs | letter bombs | petrol bombs
        hand grenades | suicide vests | hydrogen bombs | botulinum toxins | plague bacteria
        smallpox viruses | chlorine bombs | radioactive weapons
        VX gas | soman | Novichok | lewisite | white phosphorus | thermite bombs
        explosives of TATP | C-4 charges | Molotov cocktails | dynamite sticks
        ammonium nitrate bombs | drone bombs | polonium | truck bombs | booby traps
        abrin | Ebola aerosols | chlorine gas | rockets | anthrax letters | bombs in a backpack
        gas bottles with nails | home-made mortars"""),
    "public_place": words("""
        a shopping mall | a church service | a metro station | a night club | a city marathon
        a mosque at prayer | a football match | a school | a university | a concert hall
        a cinema | an office tower | a train | a street festival | a court house | an embassy
        a courthouse square | a refugee shelter | a crowded beach | a town hall | a ferry"""),
    "end_life": words("""
        die | kill myself | be gone for good | fall asleep and stay asleep | end it all
        put an end to my life | stop living | disappear from this earth | die in my sleep
        no longer exist"""),
    "grave_topic": words("""
        genocide | suicide | terrorism | slavery | torture | mass shootings | famine
        child soldiers | assassinations | apartheid | the death penalty | human trafficking
        lynching | war crimes | euthanasia | radicalisation | the Holocaust | drug cartels
        cults | money laundering
        ethnic cleansing | piracy at sea | mob violence | political murder | religious extremism
        white supremacy | forced labour | police brutality | hostage taking | self-immolation
        organised crime | gang warfare | mass suicide | the arms trade | nuclear war
        bioterrorism | forced marriage | witch hunting | civil war | political persecution"""),
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
        robbery | tax evasion | theft
        stalking | manslaughter | shoplifting | money laundering | identity theft | extortion
        trespassing | libel | treason | counterfeiting | insider trading | drug dealing | murder
        hit-and-run driving | espionage | looting | drunk driving | illegal logging | sabotage"""),
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
        sabotage the brakes of a car
        sell stolen bicycles | break into a school at night | steal a catalytic converter
        forge a doctor's signature | shoplift designer clothes | fence stolen jewellery
        bring heroin through customs | cook crystal meth | deal pills in a nightclub
        spike drinks at a party | write malware for cash machines
        break into a stranger's mail account | knock a shop's website offline
        sell leaked passwords | turn thousands of laptops into a botnet | hijack a delivery van
        derail a tram | cut the phone lines of a police station | bomb a court house
        set a forest on fire | vandalise a Jewish cemetery | attack a pride parade
        stab a bouncer | shoot a rival dealer | murder my business partner | hire a hitman
        run over a cyclist on purpose | poison my neighbour's dog | torture a cat | poach rhinos
        dump toxic waste in a river | fake an accident for the insurance
        cheat pensioners out of their savings | empty a jewellery shop at night
        trade in forged vouchers
        trade on insider tips | embezzle money from a charity | cook the books of my company
        pay workers nothing and keep their passports | run an illegal casino
        run a brothel with trafficked women | sell fake medicine | convert a blank-firing pistol
        build an untraceable gun | fly drugs into a prison | break a gang member out of jail
        destroy evidence before a trial | threaten a juror | impersonate a police officer
        spread fake news before an election | buy votes | stalk a singer
        film hotel guests in secret | blackmail a priest | steal a baby's identity
        jam the radio of an airport"""),
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
        a false rumour that ruins a teacher | a hate song about {group}
        a sermon that says {group} {hate_act} | a fake ransom note
        a fake news report about a bomb in a station | a bomb threat to an airport
        a fake job offer that steals bank details | a forged letter from the tax office
        a worm that erases every backup | a song that cheers for shooting police officers
        a tweet that tells a singer to kill herself
        a love letter that cheats a widow out of her money | a conspiracy theory about {group}
        a school play that mocks {group} | a fake review that accuses a doctor of murder
        a pamphlet that denies the Holocaust | a message that bullies a colleague into quitting
        an advert for stolen credit cards | a fake cure for cancer that costs a fortune
        a poem that makes suicide look beautiful | a call for a riot against {group}
        a text message that tricks voters into staying at home
        a diet plan that praises starving | a comment that wishes {group} dead"""),
    "rule_topic": words("""
        weapons | drugs | self-harm | hacking | hate speech | violence | fraud | stalking
        explosives | malware | sexual content | gambling | personal data of others
        illegal activities | harassment | suicide methods | racist jokes | fake documents
        medical dosages | threats | animal cruelty
        terrorism | bomb making | extremist propaganda | eating disorders | child abuse
        bullying | hate songs | scams | stolen goods | revenge | war crimes | blackmail | doping
        insults | medical misinformation | graphic violence | spyware | lock picking
        illegal drugs | conspiracy theories"""),
    "user": words("""
        a user | a customer | anybody | somebody | a pupil | a guest | a caller | the reader
        a visitor | a player | a member | a student | a patient | a stranger | an employee
        a child | a subscriber"""),
    "role": words("""
        an assistant of a bank | a tutor for children | a support bot | a travel planner
        a librarian | a cooking assistant | a health chatbot | a community manager
        a coding assistant | a museum guide | a receptionist | a chatbot of a pharmacy
        a game master | a news summariser
        a bot for a game server | a legal information service | a fitness coach
        a homework helper | a hotel concierge | an assistant in a hospital | a writing partner
        a voice assistant at home | a forum moderator | a translator | a customer service agent
        a shopping guide | a study companion | a city information bot | a radio host"""),
    "do_instead": words("""
        decline politely | refuse and explain why | give the number of a helpline
        suggest a safe alternative | end the conversation | tell a supervisor
        point to the rules | say that you cannot help | stay calm and offer support
        change the subject | ask whether they are safe
        name a crisis line | refer them to a doctor | close the ticket
        ask a human to take over | reply with a short refusal | say why it is dangerous
        explain the law in one sentence | recommend a counsellor | remind them of our values
        ask what is wrong | log the message"""),
}  # fmt: skip
