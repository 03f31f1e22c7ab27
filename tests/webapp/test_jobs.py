"""Long work that people ask for: done once, counted, interrupted, taken up again, cancelled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from webapp.library import jobs, leases, reconcile, tasks
from webapp.library.models import Job, JobState


@pytest.fixture
def register(monkeypatch):
    monkeypatch.setattr(jobs, "_RUNNERS", {})
    monkeypatch.setattr(jobs, "KEPT_S", 0.0)

    def registered(function):
        jobs.runner("try")(function)

    return registered


@pytest.fixture
def job(alice, collection) -> Job:
    return jobs.start("try", user=alice, collection=collection)


def state_of(job: Job) -> str:
    job.refresh_from_db()
    return job.state


def test_a_job_counts_its_steps_and_ends_with_a_sentence(job, register):
    def three(work):
        work.count(3)
        for _ in range(3):
            work.step()
        work.note({"row": 2, "text": "left out"})
        return "Three are done."

    register(three)
    assert jobs.run(job.pk)
    assert state_of(job) == JobState.DONE
    assert (job.total, job.done, job.message, job.report) == (3, 3, "Three are done.", [{"row": 2, "text": "left out"}])
    assert job.started_at <= job.ended_at
    assert not jobs.run(job.pk)


def test_a_job_that_is_interrupted_is_found_and_taken_up_again(job, register):
    tries = []

    def fails_once(work):
        tries.append(work.job.attempts)
        if len(tries) == 1:
            raise OSError("the disk is away")
        return "Done."

    register(fails_once)
    with pytest.raises(OSError, match="away"):
        jobs.run(job.pk)
    assert state_of(job) == JobState.RUNNING
    assert reconcile.reconcile().jobs == [(job.pk, "try")]
    jobs.run(job.pk)
    assert (state_of(job), tries) == (JobState.DONE, [1, 2])


def test_a_job_whose_worker_died_waits_for_its_lease_and_is_given_up_after_three_attempts(job, settings):
    held = Job.objects.filter(pk=job.pk)
    held.update(state=JobState.RUNNING, lease_until=Now() + timedelta(seconds=60), attempts=settings.MAX_ATTEMPTS)
    assert not jobs.waiting().exists()
    assert jobs.give_up() == 0
    held.update(lease_until=Now() - timedelta(seconds=1))
    assert jobs.give_up() == 1
    assert state_of(job) == JobState.FAILED
    assert "interrupted" in job.message


def test_a_job_that_always_breaks_ends_failed_with_a_sentence(job, register, settings):
    def breaks(work):
        raise ZeroDivisionError

    register(breaks)
    for _ in range(settings.MAX_ATTEMPTS):
        with pytest.raises(ZeroDivisionError):
            jobs.run(job.pk)
    assert state_of(job) == JobState.FAILED
    assert job.message == jobs.BROKEN


def test_a_refusal_is_told_and_not_tried_again(job, register):
    def refuses(work):
        raise jobs.Refused("The collection is no longer yours to change.")

    register(refuses)
    jobs.run(job.pk)
    assert (state_of(job), job.message) == (JobState.FAILED, "The collection is no longer yours to change.")


def test_a_running_job_stops_at_its_next_step_when_it_is_cancelled(job, register):
    steps = []

    def long(work):
        for number in range(10):
            steps.append(number)
            if number == 2:
                assert jobs.cancel(work.job)
            work.step()
        return "Done."

    register(long)
    assert jobs.run(job.pk)
    assert (state_of(job), steps) == (JobState.CANCELLED, [0, 1, 2])
    assert not jobs.cancel(job)


def test_a_worker_that_was_thought_dead_changes_nothing_when_it_comes_back(job, register):
    def late(work):
        Job.objects.filter(pk=job.pk).update(lease_token="0" * 32)
        work.step()
        return "Late."

    register(late)
    jobs.run(job.pk)
    assert state_of(job) == JobState.RUNNING
    assert job.message == ""


def test_one_that_started_anew_takes_over_all_leases(job):
    Job.objects.filter(pk=job.pk).update(lease_token="1" * 32, lease_until=Now() + timedelta(seconds=60))
    assert leases.end_all() == 1
    assert jobs.waiting().get() == job


def test_unknown_work_fails_with_a_sentence(job, register):
    jobs.run(job.pk)
    assert state_of(job) == JobState.FAILED
    assert "does not know" in job.message


def test_jobs_are_seen_by_whoever_asked_and_by_the_collections_editors(job, alice, bob, carol, charlie):
    assert [jobs.visible_jobs(user).count() for user in (alice, bob, carol, charlie)] == [1, 0, 1, 0]


def test_a_job_is_done_by_the_worker_that_hears_of_it(job, register):
    register(lambda work: "Heard.")

    tasks.run_job(str(job.pk))
    assert (state_of(job), job.message) == (JobState.DONE, "Heard.")


def test_interruptions_count_only_where_the_work_does_not_get_on(job, register, settings):
    def gets_on(work):
        work.count(20, done=work.job.done)
        work.step()
        if work.job.done < 9:
            raise OSError("killed")
        return "Done."

    register(gets_on)
    for _ in range(8):
        with pytest.raises(OSError, match="killed"):
            jobs.run(job.pk)
        job.refresh_from_db()
    assert jobs.run(job.pk)
    assert (state_of(job), job.done) == (JobState.DONE, 9)
