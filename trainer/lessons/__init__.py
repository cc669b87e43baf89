"""Lessons: a question, a prediction, runs that answer it, and why. Each is a Markdown file in this folder (docs/lessons.md)."""

from trainer.lessons.lesson import Lesson, LessonError

__all__ = ["Lesson", "LessonError"]
