from __future__ import annotations

from modules.training.datasets.fluent_emoji import _key, with_variants

ENTRIES = [
    {"hexcode": "1F44B", "label": "waving hand", "group": 1, "order": 5, "tags": ["hi"]}
    | {"skins": [{"hexcode": f"1F44B-1F3F{n}", "label": "waving hand: tone", "group": 1, "order": 6} for n in "BF"]},
    {"hexcode": "1F1EB-1F1F7", "label": "flag: France", "group": 9, "order": 90, "tags": []},
    {"hexcode": "1F46A", "label": "family", "group": 1, "order": 7, "tags": []},
    {"hexcode": "1F468-200D-1F466", "label": "family: man, boy", "group": 1, "order": 8, "tags": []},
    {"hexcode": "1F1E6", "label": "regional indicator", "order": 99},
    {"hexcode": "1F34E", "label": "red apple", "group": 4, "order": 50, "tags": ["fruit"]},
]


def test_variants_come_after_all_others_and_say_of_what() -> None:
    found = with_variants(ENTRIES)
    kinds = [(one["label"], one["variant_of"]) for one in found]
    assert kinds[:3] == [("waving hand", ""), ("family", ""), ("red apple", "")]
    assert sorted(kinds[3:]) == [
        ("family: man, boy", "family"),
        ("flag: France", "1F1EB-1F1F7"),
        ("waving hand: tone", "1F44B"),
        ("waving hand: tone", "1F44B"),
    ]
    assert all(one["tags"] == ["hi"] for one in found if one["variant_of"] == "1F44B")


def test_file_names_and_codes_meet() -> None:
    assert _key("0023-fe0f-20e3") == _key("23-20E3")
    assert _key("1f3f4-e0067_e0062") == _key("1F3F4-E0067-E0062-E007F")
