"""What others make of what `transom package` writes: boto3 invokes the function, moto's Step Functions executes the state machines,
cfn-lint reads the templates, and cargo-lambda runs the program. `just test-lambda-peers` installs them.

    peers.py TRANSOM [BOOTSTRAP]

BOOTSTRAP is a program that `just bootstrap` has built: then the package is as it is deployed. Without it, the one beside TRANSOM is put into
the package, which would refuse it: a development build is too large for Lambda, and for the C library of this machine.

The target is one of AWS. The local AWS stands in for it: `transom invoke` sees to that, and jobs have the variables of `transom local env`.

moto runs no functions and no jobs. Its state machines call `localhost:MOTO_PORT` for everything: there `Gate` sends invocations to
`transom invoke --serve`, jobs to `Batch`, and all else to moto.
"""

import contextlib
import fnmatch
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
import yaml

FILES = 24
FIXTURE = pathlib.Path(__file__).parents[3] / "tests/cli/fixtures/orders"
TARGET = "prod"
#: What the package has of `FIXTURE`: the function, and the pipeline in the image of jobs.
PACKAGE = pathlib.Path(".transom/package")
FUNCTION, IN_IMAGE = PACKAGE / "lambda", PACKAGE / "batch/pipeline"
INVOKE = "/2015-03-31/functions/"
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise AssertionError(f"nothing answers on port {port}")


@contextlib.contextmanager
def running(command, port, **options):
    process = subprocess.Popen(command, **options)
    try:
        wait_for(port)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


class Batch:
    """The jobs of one job definition, as processes. `killed` and `exits` are children of the next array: the first is killed as it
    begins, and the first attempt of the others ends with a code before it does anything. `refused` are errors with which jobs are not
    taken, each once."""

    transom = project = definition = None
    environment, jobs, attempts, killed, exits, refused = {}, {}, [], set(), {}, []

    @classmethod
    def submit(cls, request):
        job = f"job-{len(cls.jobs) + 1}"
        size = request.get("arrayProperties", {}).get("size")
        assert size is None or 2 <= size <= 10_000, request
        cls.jobs[job] = "RUNNING"
        threading.Thread(target=cls.run, args=(job, size), daemon=True).start()
        return {"jobArn": f"arn:aws:batch:us-east-1:123456789012:job/{job}", "jobName": request["jobName"], "jobId": job}

    @classmethod
    def describe(cls, request):
        # Step Functions of moto needs no more of a job.
        return {"jobs": [{"jobId": job, "jobName": job, "status": cls.jobs[job]} for job in request["jobs"]]}

    @classmethod
    def run(cls, job, size):
        results = {}
        indexes = [None] if size is None else range(size)
        children = [threading.Thread(target=lambda index=index: results.update({index: cls.child(index)})) for index in indexes]
        for child in children:
            child.start()
        for child in children:
            child.join()
        cls.jobs[job] = "SUCCEEDED" if all(results.values()) else "FAILED"

    @classmethod
    def child(cls, index):
        """Whether a job ends well, with the attempts that the definition gives it."""
        retry = cls.definition["RetryStrategy"]
        for _ in range(retry["Attempts"]):
            code = cls.exits.pop(index, None)
            if code is None:
                code = cls.attempt(index)
            cls.attempts.append((index, code))
            if code == 0:
                return True
            # The first rule whose conditions all hold; without one, Batch tries again.
            reasons = {"OnExitCode": str(code), "OnStatusReason": "Essential container in task exited", "OnReason": ""}
            rules = [
                rule for rule in retry["EvaluateOnExit"]
                if all(fnmatch.fnmatch(reasons[on], rule[on]) for on in reasons if on in rule)
            ]
            if rules and rules[0]["Action"] == "EXIT":
                return False
        return False

    @classmethod
    def attempt(cls, index):
        environment = cls.environment if index is None else cls.environment | {"AWS_BATCH_JOB_ARRAY_INDEX": str(index)}
        command = [cls.transom, "run", "--batch", *cls.definition["ContainerProperties"]["Command"]]
        process = subprocess.Popen(command, cwd=cls.project / IN_IMAGE, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        if index in cls.killed:
            cls.killed.remove(index)
            process.kill()
        _, stderr = process.communicate()
        if process.returncode > 0:
            print(stderr.decode(), file=sys.stderr)
        return process.returncode if process.returncode >= 0 else 128 - process.returncode


class Gate(http.server.BaseHTTPRequestHandler):
    """Sends invocations to the function, jobs to `Batch`, and all else to moto, and writes down what passed. `answers` are given in
    place of the function's, each once."""

    protocol_version = "HTTP/1.1"
    function = moto = None
    answers, passed, published = [], [], []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        is_invocation = self.path.startswith(INVOKE)
        if self.path == "/v1/submitjob" and Batch.refused:
            headers = {"x-amzn-ErrorType": Batch.refused.pop(0), "x-amzn-RequestId": "refused"}
            status, answer = 400, b'{"message": "injected"}'
        elif self.path in ("/v1/submitjob", "/v1/describejobs"):
            answered = (Batch.submit if self.path.endswith("submitjob") else Batch.describe)(json.loads(body))
            status, headers, answer = 200, {"content-type": "application/json"}, json.dumps(answered).encode()
        elif is_invocation and Gate.answers:
            status, headers, answer = Gate.answers.pop(0)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", Gate.function if is_invocation else Gate.moto)
            names = ("authorization", "content-type", "x-amz-target", "x-amz-invocation-type", "x-amz-date")
            headers = {name: self.headers[name] for name in names if name in self.headers}
            connection.request("POST", self.path, body, headers)
            response = connection.getresponse()
            status, answer = response.status, response.read()
            headers = {name: value for name, value in response.getheaders() if name.lower().startswith("x-am")}
        if is_invocation:
            Gate.passed.append((json.loads(body), status, json.loads(answer)))
        elif b"Action=Publish" in body:
            Gate.published.append(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def function_error(kind):
    return 200, {"X-Amz-Function-Error": "Unhandled"}, json.dumps({"errorType": kind, "errorMessage": "injected"}).encode()


BUSY = 429, {"x-amzn-ErrorType": "TooManyRequestsException", "x-amzn-RequestId": "busy"}, b'{"Type":"User","message":"Rate Exceeded."}'


def check_boto3(port):
    """Invokes the function, and gives the seconds of an invocation that loads one slice."""
    options = botocore.config.Config(retries={"max_attempts": 0})
    client = boto3.client("lambda", endpoint_url=f"http://127.0.0.1:{port}", config=options, **KEYS)
    answer = client.invoke(FunctionName="orders", Payload=json.dumps({"max_slices": 1}))
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST") and "FunctionError" not in answer, answer
    payload = json.load(answer["Payload"])
    assert payload["slices"] == 1 and payload["done"] is False, payload
    begun = time.monotonic()
    client.invoke(FunctionName="orders", Payload=json.dumps({"max_slices": 1}))
    took = time.monotonic() - begun
    arn = "arn:aws:lambda:us-east-1:000000000000:function:orders"
    answer = client.invoke(FunctionName=arn, Payload=json.dumps({"nothing": 1}))
    assert answer["FunctionError"] == "Unhandled", answer
    assert json.load(answer["Payload"])["errorType"] == "Pipeline"
    for call, code in [
        (dict(FunctionName="other"), "ResourceNotFoundException"),
        (dict(FunctionName="orders", Payload=b"{"), "InvalidRequestContentException"),
        (dict(FunctionName="orders", InvocationType="Event"), "InvalidParameterValueException"),
        (dict(FunctionName="orders", Payload=b'"%s"' % (b"x" * (6 << 20))), "RequestTooLargeException"),
    ]:
        try:
            client.invoke(**call)
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == code, error
        else:
            raise AssertionError(f"{code} is expected")
    return took


def check_cargo_lambda(project, environment):
    """The packaged program under another Runtime API. It gives deadlines that are long past (ten minutes after 1970), so that nothing can
    be loaded."""
    folder = project / "cargo"
    (folder / "src").mkdir(parents=True)
    # Functions have to be programs of a package of Rust.
    (folder / "Cargo.toml").write_text('[package]\nname = "orders"\nversion = "0.1.0"\n[workspace]\n')
    (folder / "src/main.rs").write_text("fn main() {}\n")
    port = free_port()
    watch = [pathlib.Path(sys.executable).with_name("cargo-lambda"), "lambda", "watch", "--only-lambda-apis"]
    watch += ["-A", "127.0.0.1", "-P", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    task = project / FUNCTION
    of_function = {name: value for name, value in environment.items() if name.startswith("AWS_")} | {
        "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{port}/.rt/orders",
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "LAMBDA_TASK_ROOT": str(task),
        "TRANSOM_TARGET": TARGET,
    }

    def error_of(event):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{INVOKE}orders/invocations", json.dumps(event).encode())
        try:
            with urllib.request.urlopen(request) as answer:
                raise AssertionError(answer.read())
        except urllib.error.HTTPError as error:
            return json.load(error)["errorType"]

    with running(watch, port, cwd=folder, **quiet):
        function = subprocess.Popen([task / "bootstrap"], env=of_function, cwd=task)
        try:
            kinds = [error_of(event) for event in ({"nothing": 1}, {}, {"max_slices": 1})]
        finally:
            function.kill()
            function.wait()
    assert kinds == ["Pipeline", "Retryable", "Retryable"], kinds


def execute(states, machine, name, event="{}"):
    """The end of an execution: its status, and the name of the error."""
    execution = states.start_execution(stateMachineArn=machine, name=name, input=event)["executionArn"]
    for _ in range(1200):
        about = states.describe_execution(executionArn=execution)
        if about["status"] != "RUNNING":
            return about["status"], about.get("error")
        time.sleep(0.2)
    raise AssertionError(f"{name} does not end: {states.get_execution_history(executionArn=execution)}")


def check_rows(project, transom, files):
    """Each row of so many files stands in the table once."""
    counted = subprocess.run(
        [transom, "local", "sql", "--json"], cwd=project, check=True, stdout=subprocess.PIPE, text=True,
        input="SELECT count(*), count(DISTINCT id) FROM public.orders")
    rows = json.loads(counted.stdout)[0]["result"]["rows"]
    assert rows == [[str(2 * files)] * 2], rows


def check_backfills(project, transom, states, machine):
    """Backfills of new files: with children that are tried again, with one that is killed, and with one share."""
    template = yaml.safe_load((project / PACKAGE / "template.yaml").read_text())
    Batch.transom, Batch.project = transom, project
    Batch.definition = template["Resources"]["Job"]["Properties"]
    files = FILES

    def plan(shares, new):
        nonlocal files
        write_files(project, transom, files, files + new)
        files += new
        planned = [transom, "backfill", "plan", "--target", TARGET, "--shares", str(shares), "--json"]
        planned = json.loads(subprocess.run(planned, cwd=project, env=Batch.environment, check=True, stdout=subprocess.PIPE).stdout)
        assert planned["shares"] == shares, planned
        return json.dumps({"shares": shares})

    # A failure that passes, and the signal to stop. Batch is busy once, and once it fails.
    event = plan(4, 8)
    Batch.exits = {2: 75, 3: 143}
    Batch.refused = ["AWSBatchException", "ServerException"]
    assert execute(states, machine, "backfill-1", event) == ("SUCCEEDED", None), Batch.attempts
    assert not Batch.refused, Batch.refused
    expected = [(0, 0), (1, 0), (2, 0), (2, 75), (3, 0), (3, 143)]
    assert sorted(Batch.attempts[:-1]) == expected and Batch.attempts[-1] == (None, 0), Batch.attempts
    check_rows(project, transom, files)

    # What is killed is not repeated by Batch, since it may have no memory; executed again, the shares that are computed stay.
    event = plan(3, 6)
    Batch.killed = {1}
    published = len(Gate.published)
    ended = execute(states, machine, "backfill-2", event)
    assert ended == ("FAILED", "Transom.States.TaskFailed"), (ended, Batch.attempts)
    assert len(Gate.published) == published + 1, Gate.published
    check_rows(project, transom, FILES + 8)
    assert execute(states, machine, "backfill-3", event) == ("SUCCEEDED", None), Batch.attempts
    check_rows(project, transom, files)

    attempts = len(Batch.attempts)
    assert execute(states, machine, "backfill-4", plan(1, 2)) == ("SUCCEEDED", None), Batch.attempts
    assert Batch.attempts[attempts:] == [(None, 0)], Batch.attempts
    check_rows(project, transom, files)
    print(f"4 executions of backfills, {len(Batch.attempts)} attempts of jobs")


def executing(moto):
    """Step Functions of moto, which execute machines, and what makes one of a file."""
    def client(service):
        return boto3.client(service, endpoint_url=f"http://127.0.0.1:{moto}", **KEYS)

    connection = http.client.HTTPConnection("127.0.0.1", moto)
    connection.request("POST", "/moto-api/config", json.dumps({"stepfunctions": {"execute_state_machine": True}}))
    assert connection.getresponse().status in (200, 201)
    topic = client("sns").create_topic(Name="failures")["TopicArn"]
    states = client("stepfunctions")

    def created(file):
        definition = file.read_text()
        for name, value in {"Function": "orders", "Topic": topic, "Queue": "queue", "Job": "job", "Partition": "aws"}.items():
            definition = definition.replace(f"${{{name}}}", value)
        return states.create_state_machine(
            name=file.stem, definition=definition, roleArn="arn:aws:iam::123456789012:role/any")["stateMachineArn"]

    return states, created


def check_states(project, transom, moto):
    states, created = executing(moto)
    machine = created(project / PACKAGE / "states.json")

    # Failures that pass are repeated; the rest is loaded by several invocations, which are one run.
    Gate.answers += [BUSY, function_error("Retryable"), function_error("Sandbox.Timedout")]
    assert execute(states, machine, "load-1") == ("SUCCEEDED", None), Gate.passed
    events = [event for event, _, _ in Gate.passed]
    assert all(event == {"run_id": "load-1"} for event in events), events
    answers = [answer for _, status, answer in Gate.passed if status == 200 and "done" in answer]
    assert [answer["done"] for answer in answers] == [False] * (len(answers) - 1) + [True], answers
    print(f"{len(Gate.passed)} calls, {len(answers)} invocations with {[answer['slices'] for answer in answers]} slices")
    assert len(answers) > 1, "all slices fit into one invocation"
    check_rows(project, transom, FILES)
    check_backfills(project, transom, states, created(project / PACKAGE / "backfill.json"))

    # One that does not pass ends the execution, and is published.
    (project / "bad.csv").write_text("id,customer,amount\n1,x,many\n")
    subprocess.run([transom, "local", "cp", "bad.csv", "s3://raw/orders/"], cwd=project, check=True)
    assert execute(states, machine, "load-2") == ("FAILED", "Transom.Data"), Gate.passed
    assert b"bad.csv" in Gate.published[-1], Gate.published


def check_masked(project, transom, moto):
    """What the function of a package with a plugin in Python loads is what the plugin makes of it."""
    states, created = executing(moto)
    Gate.passed.clear()
    machine = created(project / PACKAGE / "states.json")
    assert execute(states, machine, "masked-1") == ("SUCCEEDED", None), Gate.passed
    check_rows(project, transom, 4)
    asked = subprocess.run(
        [transom, "local", "sql", "--json"], cwd=project, check=True, stdout=subprocess.PIPE, text=True,
        input="SELECT DISTINCT customer FROM public.orders ORDER BY 1")
    rows = json.loads(asked.stdout)[0]["result"]["rows"]
    assert rows == [["x***@example.com"], ["y***@example.com"]], rows
    print(f"a plugin in Python: {len(Gate.passed)} invocations")


def write_files(project, transom, begin, end):
    """Two rows in each of some files, on S3."""
    folder = project / f"raw/{begin}"
    folder.mkdir()
    for file in range(begin + 1, end + 1):
        (folder / f"{file:02}.csv").write_text(f"id,customer,amount\n{file}a,x,{file}\n{file}b,y,-{file}\n")
    subprocess.run([transom, "local", "cp", folder, "s3://raw/orders/"], cwd=project, check=True)


def environment_of(project, transom):
    """The environment of a process that is to find the local AWS where AWS would be."""
    exports = subprocess.run([transom, "local", "env"], cwd=project, check=True, stdout=subprocess.PIPE, text=True).stdout
    variables = (line.removeprefix("export ").split("=", 1) for line in exports.splitlines())
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return others | dict(variables)


def package(project, transom, bootstrap, files):
    """Locks and packages a pipeline, with so many files on S3."""
    (project / "raw").mkdir()
    write_files(project, transom, 0, files)
    subprocess.run([transom, "lock"], cwd=project, check=True)
    command = [transom, "package", "--target", TARGET, "--bootstrap", bootstrap or shutil.which("true")]
    subprocess.run(command, cwd=project, check=True)
    if not bootstrap:
        shutil.copy(pathlib.Path(transom).with_name("bootstrap"), project / FUNCTION / "bootstrap")
    cfn_lint = pathlib.Path(sys.executable).with_name("cfn-lint")
    subprocess.run([cfn_lint, "template.yaml"], cwd=project / PACKAGE, check=True)


def mask(project, transom):
    """Gives a pipeline a plugin in Python."""
    subprocess.run([transom, "init", "plugins/privacy", "--lang", "python"], cwd=project, check=True)
    file = project / "transom.yaml"
    text = file.read_text().replace("sources:\n", "plugins: { privacy: { path: plugins/privacy } }\nsources:\n", 1)
    masked = "SELECT id, privacy.mask_email(customer || '@example.com') AS customer,"
    file.write_text(text.replace("SELECT id, customer,", masked, 1))


def main(transom, bootstrap=None):
    with tempfile.TemporaryDirectory() as folder:
        project, masked = (pathlib.Path(folder) / name / "orders" for name in ("plain", "masked"))
        for each in (project, masked):
            shutil.copytree(FIXTURE, each)
        package(project, transom, bootstrap, FILES)
        mask(masked, transom)
        package(masked, transom, bootstrap, 4)

        local, function, moto, gate = free_port(), free_port(), free_port(), free_port()
        Gate.function, Gate.moto = function, moto
        server = http.server.ThreadingHTTPServer(("127.0.0.1", gate), Gate)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        of_moto = os.environ | {"MOTO_PORT": str(gate), "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
        command = [sys.executable, pathlib.Path(__file__).with_name("moto_with_batch.py"), "-p", str(moto)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        serve = [transom, "invoke", "--target", TARGET, "--function", FUNCTION, "--serve", str(function), "--timeout"]
        aws = [transom, "local", "up", "--http-port", str(local), "--redshift-port", "0"]
        with running(aws, local, cwd=project, **quiet):
            Batch.environment = environment_of(project, transom)
            with running([*serve, "60s"], function, cwd=project):
                took = check_boto3(function)
            check_cargo_lambda(project, Batch.environment)
            # For some slices in each invocation, and several invocations, however fast the machine is.
            some = f"{int(3000 * took) + 2000}ms"
            with running([*serve, some], function, cwd=project), running(command, moto, env=of_moto, **quiet):
                check_states(project, transom, moto)
        with running([*serve, "60s"], function, cwd=masked), running(command, moto, env=of_moto, **quiet):
            check_masked(masked, transom, moto)


if __name__ == "__main__":
    main(*map(os.path.abspath, sys.argv[1:]))
