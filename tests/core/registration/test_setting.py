"""What a user may write, and what is refused."""

import pytest

from pagnet_ros.core.registration.setting import RegistrationSetting
from pagnet_ros.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auto", (True, (0.0, 0.0))),
        ("none", (False, (0.0, 0.0))),
        ("5,-4.5", (False, (5.0, -4.5))),
        (" [ -.5 , 3. ] ", (False, (-0.5, 3.0))),
        ("(+7, 0)", (False, (7.0, 0.0))),
    ],
)
def test_words_and_offsets_are_read(text, expected):
    assert RegistrationSetting.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "off", "Auto", "5", "5,", "1,2,3", "nan,0", "inf,0", "201,0", "0,-1e9", None, 5, True]
)
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match=r"expected auto, none, or an offset X,Y .* such as 5,-4\.5"):
        RegistrationSetting.parse(text)
