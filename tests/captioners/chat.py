"""Clips that an `AnsweringServer` can tell from one another."""

import cv2
import numpy as np

from captioners.base import ClipToDescribe
from tests.answering_server import name_of


def clip(number):
    picture = np.full((32, 48, 3), number % 256, np.uint8)
    picture[:8, :8] = number // 256
    jpeg = bytes(cv2.imencode(".jpg", picture)[1])
    return ClipToDescribe(row={"clip_id": f"clip{number}"}, frames=(jpeg, jpeg[:-2] + b"\xff\xd9"))


def name(number):
    return name_of(clip(number).frames[0])
