"""The caption within a model's answer: what models say before and after it, and what they wrap it in.

What is taken off is known word by word, in the languages that models answer in; the rest is the caption, and stays.
"""
# ruff: noqa: RUF001, RUF003 - punctuation and letters of other scripts are what this is about

from __future__ import annotations

import json
import re

from captioners.judge.quotes import QUOTED

CAPTION_KEYS = (
    "caption",
    "detailed_caption",
    "video_caption",
    "detailed",
    "description",
    "detailed_description",
    "video_description",
    "text",
    "answer",
    "response",
    "content",
)
"""Keys under which models put it in an object that holds other texts, too; the first that is there counts."""
MOST_JSON = 20_000
"""Characters of JSON that are read: answers are far shorter, and a parser's stack is not endless."""
MOST_AROUND = 160
"""Characters around a fence that may be dropped where the fence holds less than that."""

_NOUN = (
    r"(?:captions?|descriptions?|summary|paragraph|(?:one|a single) sentence|json(?: object)?"
    r"|(?:bild|video)?beschreibung|bildunterschrift|zusammenfassung|légende|résumé|descripción|leyenda|resumen"
    r"|descrição|legenda|resumo|descrizione|didascalia|описание|подпись|opis|beschrijving|açıklama)"
)
_YES = (
    r"(?:sure(?: thing)?|certainly|of course|absolutely|definitely|okay|ok|alright|all right|great|got it|gladly"
    r"|with pleasure|no problem|understood|happy to help|natürlich|gerne?|selbstverständlich|klar|bien sûr"
    r"|certainement|avec plaisir|d'accord|voilà|¡?claro(?: que sí)?|¡?por supuesto|com certeza|certo|certamente"
    r"|конечно|разумеется|хорошо|oczywiście|natuurlijk|tabii)"
)
_HERE = (
    r"(?:here(?:['’]s| is| are| you go)|below is|the following is|hier (?:ist|sind|is)|im folgenden|voici"
    r"|aquí (?:tienes|está|te dejo)|aqui está|segue|ecco|вот|oto|işte)"
)
_YES_CJK = (
    r"(?:好的|当然|當然|没问题|沒問題|はい|もちろん(?:です)?|承知しました|わかりました"
    r"|물론(?:입니다|이죠)?|네|알겠습니다)"
)
_HERE_CJK = r"(?:以下是|下面是|以下為|以下为|这是|這是|以下は|以下が|こちらは|こちらが|다음은|아래는)"
_NOUN_CJK = r"(?:描述|说明|說明|摘要|概述|キャプション|説明文?|描写|설명|캡션)"
_KIND = (
    r"(?:(?:the|a|my|final|detailed|short|brief|rewritten|one-sentence|video|clip|shot|scene|ausführliche|kurze"
    r"|подробное|краткое) )"
)

_OPENINGS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # "Sure! "; after a comma the sentence may go on, so it takes more: "Sure, here's a caption:"
        rf"^{_YES} ?[!.:]+(?:\s+|$)",
        rf"^{_YES} ?, *(?={_HERE}\b)",
        rf"^{_YES_CJK}[!！。，,、.:：]\s*(?=\S)",
        # "Here is a detailed caption of the video:", up to a colon or the end of the line
        rf"^{_HERE}\b(?=[^:\n]{{0,120}}\b{_NOUN}\b)[^:\n]{{0,160}}?(?: ?:|[.!]?\n)\s*",
        r"^here (?:you go|it is) ?[:!.]\s+",
        rf"^{_HERE_CJK}[^:：。\n]{{0,40}}{_NOUN_CJK}[^:：。，\n]{{0,8}}[:：]\s*",
        # "**Caption:**", "Detailed description of the shot:", "描述："
        rf"^{_KIND}{{0,3}}{_NOUN}(?: (?:of|for|der|des|de la|du|del|da|do) (?:[\w']+ ){{0,2}}[\w']+)? ?:(?:\s+|$)",
        rf"^(?:详细|视频|画面|镜头|動画の|詳細な|영상 )?{_NOUN_CJK}[:：]\s*",
        r"^#{1,6} [^\n]*\n+(?=\S)",  # a heading line
        r"^(?:-{3,}|\*{3,}|_{3,})\s*\n",
    )
] + [re.compile(r"^[-*•] (?=\S)(?!.*\n\s*[-*•] )", re.DOTALL)]  # a list of one
_CLOSINGS = [
    re.compile(r"(?:(?<=[.!?\"”)。])\s+|\s*\n\s*)" + pattern + r"[^\n]*$", re.IGNORECASE)
    for pattern in (
        r"(?:please )?(?:let me know|feel free to|don['’]t hesitate to)\b",
        r"i hope (?:this|that|it)(?: caption| description)? (?:helps|works|meets|is what)\b",
        r"(?:would|do) you (?:like|want|need) (?:me to|a (?:shorter|longer|different)|another|more details?)\b",
        r"if you (?:need|want|would like|have)\b[^\n]*\b(?:let me know|ask|happy to)\b",
        r"(?:lassen sie mich wissen|n['’]hésitez pas|si necesitas|se precisar|如果(?:您|你)|如需|希望(?:这|對|对))",
    )
] + [
    re.compile(r"\s*[(\[]?word count ?: ?(?:about |~)?\d+(?: words)?[)\]]?\s*$", re.IGNORECASE),
    re.compile(r"\s*[(\[](?:about |approximately |~)?\d+ words[)\]]\s*$", re.IGNORECASE),
    re.compile(r"\n+-{3,}\s*$"),
]
_FENCE = re.compile(r"(?:^|(?<=\n)|(?<=: ))```[\w+-]*[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)
_KEY_AND_TEXT = re.compile(r'"([\w -]+)"\s*:\s*"((?:[^"\\]|\\.)*)')
_HEADING = r"(?:(?:main )?subjects?|actions?|setting|camera(?: movement)?|light(?:ing| and colou?r)?|style|mood)"
_MARKUP = re.compile(r"```|^[\[{]\s*[\"'{]|\"\w+\" ?: ?[\"\[{]")
_MORE = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^#{1,6} (?-i:[A-Z])|^title ?: ",
        rf"\b(?:let me know if|hope this helps|word count ?:|here(?:'s| is) (?:a|the|your) (?:\w+ ){{0,3}}{_NOUN}\b)",
        r"(?:^|[.:;] )[-*•] .{3,400}?[.;]? [-*•] \S",
        r"(?:^|[.:] )1[.)] .{3,400}? 2[.)] \S",
        rf"(?:^|[.;] ){_HEADING} ?:.*[.;] {_HEADING} ?:",
    )
]


def unwrapped(answer: str) -> str:
    """The caption in an answer, which may have several lines; of an answer that holds nothing else, "".

    An object of JSON gives the text of its caption, also where it was cut off in the middle.
    """
    text = answer.replace("\r\n", "\n").strip()
    for _ in range(6):  # what wraps may be wrapped itself
        before, text = text, _without_wrap(text)
        if text == before:
            break
    return text


def unfenced(text: str) -> str:
    """What is within the only fence of markdown in an answer that says little around it."""
    fences = list(_FENCE.finditer(text))
    if len(fences) != 1:
        return text
    around = len(text) - len(fences[0][0])
    return fences[0][1].strip() if around <= max(MOST_AROUND, len(fences[0][1])) else text


def says_more(caption: str) -> bool:
    """Whether a caption still holds what is none: JSON, a fence, a list, headings, words to the reader."""
    spoken = QUOTED.sub(" ", caption)  # what people say or read in the shot
    return _MARKUP.search(caption) is not None or any(pattern.search(spoken) for pattern in _MORE)


def _without_wrap(text: str) -> str:
    said = _from_json(text)
    if said is not None:
        return said.strip()
    plain = unfenced(text)
    if plain.startswith("**"):
        plain = plain.replace("**", "")
    for pattern in (*_OPENINGS, *_CLOSINGS):
        plain = pattern.sub("", plain, count=1)
    return plain.strip()


def _from_json(text: str) -> str | None:
    """The caption in an object or a list of JSON; None where there is none."""
    if not text.startswith(("{", "[")) or len(text) > MOST_JSON:
        return None
    try:
        return _caption_in(json.loads(text, strict=False))
    except (ValueError, RecursionError):  # cut off, or something follows
        texts: dict[str, str] = {_plain_key(key): said for key, said in reversed(_KEY_AND_TEXT.findall(text))}
    key = next((key for key in CAPTION_KEYS if key in texts), None)
    if key is None:
        return None
    try:
        return str(json.loads(f'"{texts[key]}"', strict=False))
    except ValueError:
        return texts[key]


def _caption_in(value: object) -> str | None:
    if isinstance(value, list):
        return _caption_in(value[0]) if len(value) == 1 else None
    if not isinstance(value, dict):
        return value if isinstance(value, str) else None
    plain = {_plain_key(key): inner for key, inner in value.items()}
    key = next((key for key in CAPTION_KEYS if isinstance(plain.get(key), str | dict)), None)
    if key is None and len(plain) == 1:
        [key] = plain
    return None if key is None else _caption_in(plain[key])


def _plain_key(key: str) -> str:
    return key.lower().replace(" ", "_").replace("-", "_")
