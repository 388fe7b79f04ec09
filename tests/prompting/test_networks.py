from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.prompting.networks import Network, parse_networks


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("<lora:n>", Network("lora", ("n",))),
        ("<lora:n:0.8:0.4>", Network("lora", ("n", "0.8", "0.4"))),
        ("<lora:n:te=0:unet=1>", Network("lora", ("n",), {"te": "0", "unet": "1"})),
        ("<lora:n:1:1:dyn=4>", Network("lora", ("n", "1", "1"), {"dyn": "4"})),
        ("<hypernet:some name:1>", Network("hypernet", ("some name", "1"))),
    ],
)
def test_arguments_come_as_written(text: str, network: Network) -> None:
    assert parse_networks(f"a {text}, b") == ("a , b", (network,))


@pytest.mark.parametrize("text", ["", "a < b > c", "<lora>", "<lora:>", "<lora:n", "<:n>", "a <3"])
def test_what_is_no_network_stays(text: str) -> None:
    assert parse_networks(text) == (text, ())


@given(st.text(st.sampled_from("<>:=lora 1.") | st.characters(), max_size=60))
def test_any_text_is_valid(text: str) -> None:
    clean, networks = parse_networks(text)
    assert len(clean) <= len(text)
    assert networks or clean == text


@pytest.mark.parametrize("piece", ["<a:", "<a", "<a:b>", "<", "<a:>"])
def test_time_is_linear_in_the_length(piece: str) -> None:
    began = time.perf_counter()
    parse_networks(piece * (400_000 // len(piece)))
    assert time.perf_counter() - began < 5
