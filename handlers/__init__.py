"""What an inbound event means: plain functions Context -> [Action], one file a topic. This is the whole routing.

Handlers import `domain` alone: they await nothing, call nobody, and write nothing; what they want is an action.
"""

from domain.context import Context, Fact
from domain.messages import Kind
from handlers import advisor, call_done, card, consent, fallback, follow, scan, talk, when
from handlers.route import Route, choose

ROUTES: tuple[Route, ...] = (
    Route("call done", when.anybody(Kind.CALL_DONE), call_done.run, frozenset({Fact.CALL})),
    Route("stranger at work", when.unknown_member, advisor.stranger),
    Route("card pressed", when.advisor(Kind.CARD), card.run, frozenset({Fact.REACHABLE})),
    Route("advisor asks help", when.asks_help, advisor.help_),
    Route("advisor answers", when.advisor(Kind.MESSAGE), advisor.answer, frozenset({Fact.REACHABLE, Fact.FOCUS})),
    Route("scan", when.customer(Kind.SCAN), scan.run, frozenset({Fact.SCENE})),
    Route("follow", when.customer(Kind.FOLLOW), follow.follow, frozenset({Fact.SCENE})),
    Route("unfollow", when.customer(Kind.UNFOLLOW), follow.unfollow),
    Route("consent pressed", when.consent_pressed, consent.pressed, frozenset({Fact.PENDING})),
    Route("consent typed", when.could_answer_consent, consent.typed, frozenset({Fact.PENDING, Fact.ASKED})),
    Route("refuses pushes", when.stops, follow.stop),
    Route("wants pushes", when.starts, follow.start),
    Route("menu", when.customer(Kind.MENU), talk.menu),
    Route("talk", when.customer(Kind.MESSAGE), talk.run),
    Route("unreadable", when.anybody(Kind.UNPARSED), fallback.unreadable),
    Route("anything else", when.always, fallback.nothing),
)


def match(context: Context) -> Route:
    """The route of an event."""
    return choose(ROUTES, context)
