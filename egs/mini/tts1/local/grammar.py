"""Sentences of the mini corpus: grammatical, mostly nonsense, three to five seconds long."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

WORDS = {
    "PERSON": """teacher doctor baker farmer sailor painter singer lawyer plumber butcher soldier pilot dancer author
        tailor banker waiter barber hunter judge nurse queen king captain chemist dentist drummer engineer gardener
        giant grandmother janitor juggler knight librarian magician mayor mechanic musician neighbor cousin pirate
        poet porter professor ranger reporter scientist sculptor shepherd sheriff surgeon thief toymaker traveler
        viking violinist weaver widow wizard""",
    "NAME": """Alice Anthony Barbara Benjamin Brenda Charlotte Daniel Deborah Dorothy Edward Elizabeth Frederick
        George Gloria Harold Helen Jacob Jennifer Joyce Julia Kenneth Laura Margaret Matthew Nancy Nathan Oliver
        Oscar Patricia Rebecca Roger Samuel Sophia Stephanie Theodore Thomas Timothy Veronica Victor Walter""",
    "ANIMAL": """alligator beaver buffalo butterfly camel canary chicken cobra coyote crocodile dolphin donkey eagle
        elephant falcon flamingo giraffe goose gorilla hamster hyena jaguar kangaroo kitten leopard lizard lobster
        monkey mosquito octopus ostrich otter oyster panda parrot peacock pelican penguin pigeon porcupine puppy
        rabbit raccoon rooster scorpion shark sparrow spider squirrel swan tiger tortoise turkey vulture walrus
        weasel wolf zebra""",
    "FOOD": """apple avocado bacon banana biscuit blueberry broccoli butter cabbage cake carrot celery cheese cherry
        chocolate cinnamon coconut cookie cucumber custard garlic ginger honey jelly lemonade lettuce mango
        marmalade melon mushroom mustard oatmeal onion pancake peach peanut pepper pickle pineapple pizza popcorn
        porridge potato pudding pumpkin raisin sandwich sausage soup spinach strawberry sugar tomato vinegar waffle
        walnut yogurt zucchini""",
    "THING": """accordion anchor armchair arrow balloon bandage banjo barrel basket bathtub battery blanket bottle
        bracelet bucket button camera candle carpet carriage cello chimney clarinet clock compass cradle crown
        cupboard curtain cushion diamond dictionary drawer envelope feather fiddle flag flashlight flute fountain
        furnace glove guitar hammer harmonica hatchet helicopter helmet jacket jewel keyboard ladder lantern magnet
        mattress medal mirror napkin necklace needle newspaper notebook parachute pencil piano pillow propeller
        pyramid quilt radio razor ribbon rocket saddle saxophone scarf shovel skateboard slipper sofa statue
        suitcase sweater sword table tambourine telephone telescope television thermometer toaster tractor treasure
        tricycle trombone trophy trumpet typewriter umbrella uniform vacuum vase violin wagon whistle window
        xylophone zipper""",
    "PLACE": """airport alley apartment attic avenue backyard bakery balcony ballroom barn basement bathroom beach
        bookstore cabin canyon castle cathedral cave cemetery church classroom cliff cottage courtyard dungeon
        factory forest fortress gallery garage garden harbor hospital hotel jungle kitchen laboratory library
        market meadow monastery mountain museum office orchard palace playground prairie prison ranch restaurant
        river station stadium studio swamp tavern temple theater tower tunnel university valley village volcano
        warehouse""",
    "COUNTED": """acorns badges boulders boxes bubbles buttercups coins crayons daffodils dominoes earrings firecrackers
        flowers hinges letters marbles measures mittens ornaments parcels pebbles photographs postcards puzzles
        scissors sunflowers tickets trousers tulips watches""",
    "NUMBER": """two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen twenty
        thirty forty fifty sixty seventy eighty ninety""",
    "KIND_PERSON": """angry anxious brave bashful charming cheerful clever clumsy courageous curious eager elderly
        famous foolish friendly furious generous gentle graceful grumpy honest hungry jealous joyful lazy lonely loyal
        nervous noisy patient peculiar playful polite proud quiet sleepy stubborn thirsty thoughtful timid wicked
        youthful""",
    "KIND_THING": """ancient antique blue bright bronze brown cheap colorful copper crimson crooked dirty dusty elegant
        enormous expensive fragile golden gray green heavy hollow massive metal miniature narrow pink plastic
        precious purple rusty shiny silver slender square tiny transparent turquoise ugly valuable velvet violet
        wooden yellow""",
    "KIND_PLACE": """abandoned beautiful cloudy crowded distant flooded foggy gloomy hidden icy magnificent mysterious
        peaceful shadowy silent snowy sunny tropical vast western northern southern eastern""",
    "KIND_FOOD": """bitter crunchy delicious fresh frosted juicy mashed moldy ripe roasted rotten salty sour spicy
        sticky sweet tasty warm""",
    "HANDLED": """admired borrowed bought carried cleaned collected covered decorated delivered described destroyed
        discovered displayed dragged dropped examined exchanged fixed grabbed guarded ignored imagined inspected
        invented kicked launched lifted measured mended noticed ordered photographed polished pulled purchased
        pushed recognized removed repaired replaced returned sketched stole swapped touched unwrapped watched
        washed wrapped""",
    "COOKED": """baked chewed chopped devoured grated munched nibbled peeled prepared served sliced smelled swallowed
        tasted""",
    "MOVED": """climbed crawled drifted galloped hopped hurried jogged jumped limped marched paced raced rolled rushed
        scampered slept sneaked sprinted stumbled tiptoed trotted vanished waited walked wandered whirled yawned""",
    "HOW": """abruptly awkwardly boldly bravely calmly carefully cautiously gladly happily hastily loudly merrily
        neatly often proudly quickly rapidly sadly secretly silently slowly smoothly softly suddenly swiftly
        together wildly""",
    "DAY": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "MONTH": "January February March April June July August September October November December",
    "HOUR": "morning afternoon evening",
    "TIME": "midnight sunrise winter autumn summer breakfast dinner",
}
"""Content words by class. Each word stands in one class only."""

PHRASES = {
    "WHO": ["the PERSON", "the KIND_PERSON PERSON", "the PERSON", "NAME", "NAME"],
    "BEAST": ["the ANIMAL", "the KIND_PERSON ANIMAL", "NUMBER COUNTED and the ANIMAL", "the ANIMAL"],
    "WHAT": ["the THING", "the KIND_THING THING", "the KIND_THING THING", "NUMBER COUNTED"],
    "MEAL": ["the FOOD", "the KIND_FOOD FOOD", "the FOOD and the FOOD"],
    "WHERE": ["the PLACE", "the KIND_PLACE PLACE", "the PLACE"],
    "NEAR": ["behind WHERE", "through WHERE", "beside WHERE", "into WHERE", "above WHERE", "toward WHERE"],
    "WITH": ["with the THING", "without the THING", "under the THING"],
    "WHEN": ["on DAY", "in MONTH", "before TIME", "after TIME", "every HOUR", "on DAY HOUR"],
    "DO": ["HANDLED WHAT", "HANDLED WHAT", "COOKED MEAL"],
}
"""Each name stands for one of its phrases; a phrase given twice is twice as likely."""

SENTENCES = [
    "WHO HANDLED WHAT NEAR",
    "WHO HANDLED WHAT WITH HOW",
    "WHO COOKED MEAL NEAR WHEN",
    "WHEN, WHO DO NEAR",
    "WHEN, WHO and WHO DO",
    "BEAST MOVED NEAR, and WHO DO",
    "BEAST MOVED HOW NEAR WHEN",
    "HOW, WHO DO NEAR",
    "WHO, BEAST and WHO MOVED NEAR",
    "WHO DO, but BEAST MOVED HOW",
    "while BEAST MOVED NEAR, WHO DO",
    "in WHERE, WHO DO WITH",
    "NEAR, WHO HANDLED WHAT, WHAT and WHAT",
    "WHO and BEAST MOVED HOW NEAR",
    "did WHO say that WHO DO NEAR",
    "would WHO enjoy MEAL WHEN, or MEAL",
    "there were NUMBER COUNTED NEAR, said WHO",
]

LENGTH = (8, 13)
"""Words in a sentence, at least and at most."""


def content_words() -> set[str]:
    """All words of `WORDS`, in lower case."""
    return {word.lower() for words in WORDS.values() for word in words.split()}


def sentences(seed: int) -> Iterator[str]:
    """An endless stream of sentences, no two of them the same; the same for the same seed."""
    chooser = random.Random(seed)
    choices = {name: words.split() for name, words in WORDS.items()} | PHRASES
    seen = set()
    while True:
        sentence = _expand(chooser.choice(SENTENCES), choices, chooser)
        words = re.findall(r"[a-z]+", sentence.lower())
        nouns = [word for word in words if word in _CONTENT]
        if sentence in seen or len(nouns) != len(set(nouns)) or not LENGTH[0] <= len(words) <= LENGTH[1]:
            continue
        seen.add(sentence)
        mark = "?" if words[0] in ("did", "would") else "."
        yield sentence[0].upper() + sentence[1:] + mark


def _expand(template: str, choices: dict[str, list[str]], chooser: random.Random) -> str:
    """`template` with every name of `choices` replaced, again and again, by one of its choices."""

    def replace(match: re.Match) -> str:
        name = match.group()
        return _expand(chooser.choice(choices[name]), choices, chooser) if name in choices else name

    return re.sub(r"[A-Za-z_]+", replace, template)


_CONTENT = content_words()
