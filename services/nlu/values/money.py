"""Sums of money: "twenty five euros", "$3.50", "five pounds twenty", "三块五", "二十五欧元"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from services.nlu.values.mention import Mention
from services.nlu.values.numbers import CHINESE, ENGLISH, chinese, english

# ISO 4217. A bare "dollar" is the American one, a bare 元 or ¥ the Chinese one.
_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "CNY"}
_UNITS = {
    "en": {
        "USD": r"(?:us )?dollars?|bucks?|usd", "EUR": r"euros?|eur", "GBP": r"pounds?(?: sterling)?|quid|gbp",
        "CHF": r"(?:swiss )?francs?|chf", "JPY": r"yen|jpy", "CNY": r"yuan|renminbi|rmb|cny",
    },
    "zh": {
        "USD": "美元|美金|美刀", "EUR": "欧元", "GBP": "英镑", "CHF": "瑞士法郎|瑞郎", "JPY": "日元|日圆",
        "CNY": "块钱|块(?!儿)|元钱|元|圆|人民币",
    },
}  # fmt: skip
_SMALL = {"en": r"(?P<cents>\d{1,2}|[a-z]+(?: [a-z]+)?) ?(?:cents?|pence|pennies|p)\b", "zh": ""}
_sign = f"[{''.join(map(re.escape, _SIGNS))}]"
_thousands = r"\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?"
_scale = {"thousand": 1000, "million": 1_000_000, "k": 1000, "万": 10_000, "亿": 100_000_000}


def _units(language: str) -> str:
    return "|".join(f"(?P<{code}>{words})" for code, words in _UNITS[language].items())


_MONEY = {
    "en": re.compile(
        rf"(?<![\w.])(?:(?P<sign>{_sign}) ?(?P<signed>{ENGLISH})(?: ?(?P<signed_scale>thousand|million|k)\b)?"
        rf"|(?P<number>{ENGLISH}|a|an)(?: ?(?P<scale>thousand|million|k)\b)? ?(?P<after>{_sign})"
        rf"|(?P<spelled>{ENGLISH}|an?)(?: (?P<spelled_scale>thousand|million))? ?(?:{_units('en')})\b"
        rf"(?:(?: and)? (?P<small>{ENGLISH})(?: (?:cents?|pence|p)\b|(?! ?(?:[a-z%°:]|\d))))?"
        rf"|(?P<cents>{ENGLISH}) ?(?P<coin>cents?|pence|p)\b)"
    ),
    "zh": re.compile(
        rf"(?P<sign>{_sign}) ?(?P<signed>{CHINESE})(?P<signed_scale>[万亿])?"
        rf"|(?P<spelled>{CHINESE})(?P<spelled_scale>[万亿])?(?:{_units('zh')})"
        rf"(?:(?P<tenths>[一二两三四五六七八九]|\d)(?![个分钟点小天月年块元万百千十\d])[毛角]?|(?P<half>半))?"
    ),
}


def sums(text: str, language: str) -> Iterator[Mention]:
    """Amount and currency, "25.50 EUR"."""
    read = english if language == "en" else chinese
    for match in _MONEY[language].finditer(text):
        group = match.groupdict()
        currency = _SIGNS.get(group.get("sign") or group.get("after") or "") or next(
            (code for code in _UNITS[language] if group.get(code)),
            "USD" if group.get("coin") in ("cent", "cents") else "GBP",
        )
        words = group.get("signed") or group.get("number") or group.get("spelled") or "0"
        scale = group.get("signed_scale") or group.get("scale") or group.get("spelled_scale") or ""
        amount = Decimal(str(1.0 if words in ("a", "an") else read(words))) * _scale.get(scale, 1)
        if small := group.get("small") or group.get("cents"):
            amount += Decimal(str(read(small))) / 100
        if tenths := group.get("tenths"):
            amount += Decimal(str(read(tenths))) / 10
        elif group.get("half"):
            amount += Decimal("0.5")
        yield Mention(match.start(), match.end(), f"{amount:.2f} {currency}")
