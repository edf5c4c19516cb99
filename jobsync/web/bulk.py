"""The same action for many jobs of the list, chosen one by one or by what the list is limited to:
a form that asks before it does anything, and says afterwards what was refused.

With scripts the list does the same by the API (`static/js/list/bulk.js`), in the words of here.
"""

import json
from collections import defaultdict
from itertools import islice

from flask import Blueprint, Response, redirect, render_template, request, url_for
from marshmallow import EXCLUDE, ValidationError

from jobsync.base.errors import BadInput
from jobsync.base.loop import in_turns
from jobsync.lifecycle import bulk
from jobsync.schemas import JobsFilter
from jobsync.status import BULK_ACTIONS
from jobsync.store import listing
from jobsync.store.listing import Wanted

MOST = 100_000  # jobs at a time
MOST_NAMED = 5  # jobs that were refused for the same reason, with links
LIMITS = ("status", "definition", "q", "since", "until")
WORDS = {
    "cancel": {
        "verb": "Cancel",
        "done": "Cancelled",
        "about": "Their unfinished steps and children are cancelled with them, and what runs is "
        "stopped. What had completed is kept.",
    },
    "retry": {
        "verb": "Retry",
        "done": "Begun again:",
        "about": "Their failed, cancelled and skipped steps run again. What had completed is kept.",
    },
    "delete": {
        "verb": "Delete",
        "done": "Deleted",
        "about": "Their steps, log lines and results go with them. This can't be undone.",
    },
}

blueprint = Blueprint("bulk", __name__)


@blueprint.get("/ids")
def show_ids():
    """Return the ids of all jobs of a list as JSON, `{"ids", "is_cut"}`, newest first."""
    found, is_cut = _matching(request.args)
    ids = ",".join(json.dumps(job_id) for job_id in in_turns(found))
    body = f'{{"ids":[{ids}],"is_cut":{json.dumps(is_cut)}}}'
    return Response(body, mimetype="application/json", headers={"Cache-Control": "no-store"})


@blueprint.post("/jobs/bulk")
def act_on_jobs():
    """Do something to the selected jobs, or to all that match the address, once that is meant."""
    action = request.form.get("action")
    if action not in BULK_ACTIONS:
        raise BadInput(f"There is no such action; there are: {', '.join(BULK_ACTIONS)}.")
    is_all = request.form.get("scope") == "filter"
    ids, is_cut = _matching(request.args) if is_all else (request.form.getlist("ids"), False)
    ids = list(dict.fromkeys(ids))
    if not ids:
        raise BadInput("No job matches." if is_all else "No job is selected.")
    limits = {name: request.args[name] for name in LIMITS if request.args.get(name)}
    page = {"action": action, "words": WORDS[action], "limits": limits, "is_cut": is_cut}
    # who was asked about fewer has not agreed to these
    is_asked = request.form.get("sure") == "yes" and len(ids) <= _asked_about(is_all)
    outcome = (bulk.act if is_asked else bulk.check)(action, ids)
    refused = by_reason(outcome["refused"])
    if not is_asked:
        number = outcome["matched"] - len(outcome["refused"])
        page |= {"ids": [] if is_all else ids, "matched": outcome["matched"], "number": number}
        return render_template("jobs/bulk.html", refused=refused, **page)
    if refused:
        return render_template("jobs/bulk_done.html", refused=refused, outcome=outcome, **page)
    return redirect(url_for("pages.list_jobs", **limits), 303)


def _asked_about(is_all):
    """Return how many jobs the viewer was asked about; those selected can't have become more."""
    told = request.form.get("matched", "") if is_all else str(MOST)
    return int(told) if told.isdecimal() and len(told) < 10 else 0


def _matching(limits):
    """Return `(ids, is_cut)` of all jobs that match what an address has."""
    given = {name: limits[name] for name in LIMITS if limits.get(name)}
    try:
        wanted = Wanted.of(JobsFilter(unknown=EXCLUDE).load(given))
    except ValidationError as error:
        raise BadInput("The address is not valid.", error.normalized_messages()) from error
    found = list(islice(listing.ids(wanted), MOST + 1))
    return found[:MOST], len(found) > MOST


def by_reason(refused):
    """Return `[(reason, ids)]` of what was refused, the commonest first."""
    reasons = defaultdict(list)
    for refusal in refused:
        # of one that is gone the sentence names its id
        reason = refusal["message"].replace(f" {refusal['id']!r}", "")
        reasons[reason].append(refusal["id"])
    return sorted(reasons.items(), key=lambda found: -len(found[1]))
