"""The step types that ship, a module each."""

from jobsync.steps.codebase.agent import agent
from jobsync.steps.codebase.code_map import code_map
from jobsync.steps.codebase.local_dir import local_dir
from jobsync.steps.codebase.report import codebase_report
from jobsync.steps.command.step import command
from jobsync.steps.test_job_generator import test_job_generator

BUILT_IN = (local_dir, code_map, agent, codebase_report, command, test_job_generator)
