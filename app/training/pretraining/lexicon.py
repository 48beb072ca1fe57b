"""The words of the generated shop, written for this project."""

PRODUCTS: dict[str, tuple[str, ...]] = {
    "kitchen": ("kettle", "frying pan", "cutting board", "salad bowl", "coffee grinder", "baking tray", "whisk"),
    "shoes": ("running shoes", "ankle boots", "sandals", "slippers", "rain boots", "loafers"),
    "clothing": ("rain jacket", "summer dress", "wool sweater", "jeans", "tank top", "hoodie", "winter coat"),
    "electronics": ("phone case", "wireless mouse", "keyboard", "headphones", "power bank", "charging cable"),
    "garden": ("watering can", "garden hose", "pruning shears", "flower pot", "hedge trimmer", "wind chime"),
    "toys": ("puzzle", "toy train", "doll house", "building blocks", "kite", "board game", "plush bear"),
    "pets": ("dog leash", "cat tree", "bird cage", "fish tank filter", "chew toy", "litter box"),
    "office": ("notebook", "gel pens", "desk lamp", "stapler", "office chair", "paper shredder", "backpack"),
    "beauty": ("hair dryer", "face cream", "lip balm", "nail polish", "shampoo", "makeup brush"),
    "sports": ("yoga mat", "dumbbells", "tennis racket", "bike helmet", "tent", "sleeping bag", "swim goggles"),
    "home": ("shower curtain", "throw pillow", "wall clock", "area rug", "bed sheets", "picture frame", "candle"),
    "tools": ("cordless drill", "screwdriver set", "tape measure", "work gloves", "socket wrench", "ladder"),
    "music": ("guitar strings", "drum sticks", "ukulele", "music stand", "microphone", "violin case"),
    "food": ("green tea", "olive oil", "dark chocolate", "oat cookies", "tomato soup", "roasted almonds"),
    "car": ("seat cover", "floor mats", "phone mount", "jump starter", "wiper blades", "roof rack"),
    "baby": ("stroller", "baby bottle", "diaper bag", "high chair", "baby blanket", "teething ring"),
}

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "color": ("black", "white", "red", "navy blue", "olive green", "pink", "silver", "brown", "teal", "purple"),
    "material": (
        "stainless steel", "cotton", "leather", "bamboo", "plastic", "wool", "ceramic", "oak wood", "nylon", "glass",
    ),
    "size": ("small", "medium", "large", "extra large", "10 inch", "24 inch", "6 feet", "500 ml", "2 liter"),
    "pattern": ("striped", "floral", "plaid", "polka dot", "camouflage", "leopard print", "geometric"),
    "audience": ("for women", "for men", "for kids", "for toddlers", "for beginners", "for travel"),
    "feature": (
        "waterproof", "foldable", "rechargeable", "non slip", "heavy duty", "quiet", "adjustable", "wireless",
    ),
}  # fmt: skip

ASPECTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "price": (
        ("great value for the money", "cheaper than in the shop", "worth every cent"),
        ("far too expensive", "not worth the price", "a waste of money"),
    ),
    "comfort": (
        ("very comfortable to wear", "soft on the skin", "cozy all day"),
        ("hurts after an hour", "stiff and scratchy", "really uncomfortable"),
    ),
    "fit": (
        ("fits like a glove", "true to size", "the right length"),
        ("runs two sizes small", "way too tight", "too loose at the top"),
    ),
    "quality": (
        ("well made and solid", "excellent workmanship", "high quality seams"),
        ("cheaply made", "fell apart quickly", "poor stitching"),
    ),
    "delivery": (
        ("arrived a day early", "shipped fast", "came well packed"),
        ("came three weeks late", "the box was crushed", "never arrived"),
    ),
    "color": (
        ("the color is gorgeous", "looks just like the photo", "bright and vivid shade"),
        ("the color faded", "not the shade in the picture", "an ugly dull tone"),
    ),
    "ease of use": (
        ("easy to set up", "simple to operate", "works right out of the box"),
        ("the instructions make no sense", "hard to put together", "confusing buttons"),
    ),
    "durability": (
        ("still like new after a year", "holds up to daily use", "sturdy and tough"),
        ("broke within a week", "snapped the first time", "wore out in a month"),
    ),
    "battery": (
        ("the charge lasts for days", "long battery life", "charges quickly"),
        ("dies after twenty minutes", "does not hold a charge", "drains overnight"),
    ),
    "smell": (
        ("smells fresh and light", "lovely scent", "a pleasant fragrance"),
        ("has a chemical odor", "stinks of glue", "the scent is overpowering"),
    ),
    "sound": (
        ("clear and rich sound", "very quiet motor", "deep bass"),
        ("makes a terrible noise", "tinny and flat audio", "rattles all the time"),
    ),
    "taste": (
        ("tastes delicious", "rich flavor", "not too sweet"),
        ("tastes stale", "bitter aftertaste", "bland and watery"),
    ),
    "gift": (
        ("my sister loved the present", "a perfect birthday gift", "nicely wrapped for giving"),
        ("embarrassing to give away", "a disappointing present", "no gift box included"),
    ),
    "weight": (
        ("light enough to carry", "weighs almost nothing", "nicely balanced in the hand"),
        ("much too heavy", "weighs a ton", "top heavy and tips over"),
    ),
    "cleaning": (
        ("wipes clean in seconds", "dishwasher safe", "easy to wash"),
        ("impossible to clean", "stains for good", "shrank in the wash"),
    ),
    "customer service": (
        ("the seller answered at once", "quick refund without questions", "helpful support"),
        ("nobody answers my mails", "they refused a refund", "rude support"),
    ),
}

OPINIONS: dict[int, tuple[str, ...]] = {
    1: ("Terrible.", "Do not buy this!", "I want my money back.", "Worst purchase ever.", "Very disappointed."),
    2: ("Not what I hoped for.", "Rather disappointing.", "I would not order it again.", "Below average."),
    3: ("It is okay.", "Average, nothing special.", "Does the job, with flaws.", "Mixed feelings."),
    4: ("Quite happy with it.", "Good overall.", "Nice, with one small flaw.", "I like it."),
    5: ("Love it!", "Absolutely perfect.", "Best purchase in years!", "Highly recommended.", "Excellent!"),
}

COMPLEMENTS: tuple[tuple[str, str], ...] = (
    ("tent", "sleeping bag"), ("guitar strings", "music stand"), ("coffee grinder", "kettle"),
    ("stroller", "diaper bag"), ("yoga mat", "dumbbells"), ("keyboard", "wireless mouse"),
    ("flower pot", "watering can"), ("cordless drill", "screwdriver set"), ("phone case", "charging cable"),
    ("dog leash", "chew toy"), ("notebook", "gel pens"), ("frying pan", "olive oil"),
    ("shampoo", "hair dryer"), ("floor mats", "seat cover"), ("bed sheets", "throw pillow"),
    ("baby bottle", "high chair"), ("green tea", "oat cookies"), ("rain jacket", "rain boots"),
)  # fmt: skip

SYLLABLES = ("ba", "vo", "ri", "ka", "tel", "no", "mar", "zi", "lun", "der", "so", "pex", "qui", "fa", "wen", "ro")
