"""moto's server, whose Step Functions hand the parameters of `batch:submitJob` on as they are written in a state machine, with capitals.
boto3 wants them without, and Step Functions its answers with them."""

import sys

from moto.server import main
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_batch

Task = state_task_service_batch.StateTaskServiceBatch
submit = Task._eval_service_task


def spelled(value, first):
    if isinstance(value, list):
        return [spelled(item, first) for item in value]
    if isinstance(value, dict):
        return {first(key[0]) + key[1:]: spelled(item, first) for key, item in value.items()}
    return value


def submit_spelled(self, env, normalised_parameters, **others):
    submit(self, env=env, normalised_parameters=spelled(normalised_parameters, str.lower), **others)
    env.stack.append(spelled(env.stack.pop(), str.upper))


Task._eval_service_task = submit_spelled
sys.exit(main())
