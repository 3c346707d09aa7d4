"""A package that was built before: from disk, from a bucket, no more what runs, and the same as one that is built."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.aws import AwsStack
from local.terraform import PROJECT, Terraform, TerraformError

FUNCTION = "prebuilt"
NO_PYTHON = "no-such-python"


class Prebuilt:
    """The root module `prebuilt` on a stack of its own, and the zip that `package.py` built for it."""

    def __init__(self, aws: AwsStack, terraform: Terraform, path: Path, code_sha256: str) -> None:
        self.aws = aws
        self.terraform = terraform
        self.path = path
        self.code_sha256 = code_sha256

    def plan(self, package: dict[str, Any] | None, python_command: str = NO_PYTHON) -> str:
        """Plan with another package, and return what Terraform says."""
        variables = self.terraform.working_directory / "other.auto.tfvars.json"
        variables.write_text(json.dumps({"package": package, "python_command": python_command}))
        return self.terraform.plan() or ""

    def refusal(self) -> str:
        """Apply what can not be, and return what Terraform says as one line."""
        with pytest.raises(TerraformError) as refused:
            self.terraform.apply()
        return as_one_line(str(refused.value))

    def runs(self) -> str:
        """What Lambda says that the function's code is."""
        deployed = self.aws.client("lambda").get_function_configuration(FunctionName=FUNCTION)
        return str(deployed["CodeSha256"])

    def put_other_code(self) -> None:
        """Change the function's code as someone does who does not use Terraform."""
        self.aws.client("lambda").update_function_code(FunctionName=FUNCTION, ZipFile=self.path.read_bytes() + b"\0")


def changes(plan: str) -> dict[str, str]:
    """What would become of which of the module's resources."""
    return dict(re.findall(r"# module\.order_cache\.(\S+) (?:will|must) be (.+)", plan))


def as_one_line(says: str) -> str:
    """What Terraform says, without its frame and its line ends."""
    return " ".join(says.replace("│", "").split())


@pytest.fixture(scope="module")
def prebuilt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prebuilt]:
    with AwsStack() as aws:
        asked = aws.function_platform
        command = [sys.executable, str(PROJECT / "package.py"), "build", "--runtime", asked["runtime"]]
        command += ["--architecture", asked["architecture"], "--directory", str(tmp_path_factory.mktemp("packages"))]
        says = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        path, code_sha256 = (line.split()[1] for line in says.splitlines())
        variables = asked | {"package": json.dumps({"path": path}), "python_command": NO_PYTHON}
        with Terraform("tests/end_to_end/prebuilt", environment=aws.environment, variables=variables) as terraform:
            terraform.apply()
            yield Prebuilt(aws, terraform, Path(path), code_sha256)
            terraform.destroy()


def test_a_package_from_disk_a_bucket_or_built_at_apply_is_the_same_code(prebuilt: Prebuilt) -> None:
    assert prebuilt.terraform.outputs() == {"package_name": prebuilt.path.name}
    assert prebuilt.runs() == prebuilt.code_sha256
    from_disk = prebuilt.plan({"path": str(prebuilt.path)})
    assert from_disk == ""

    s3 = prebuilt.aws.client("s3")
    s3.create_bucket(Bucket="packages")
    s3.put_object(Bucket="packages", Key=prebuilt.path.name, Body=prebuilt.path.read_bytes())
    from_bucket = {"bucket": "packages", "key": prebuilt.path.name, "code_sha256": prebuilt.code_sha256}
    assert changes(prebuilt.plan({"s3": from_bucket}))["aws_lambda_function.this[0]"] == "updated in-place"
    prebuilt.terraform.apply()
    assert prebuilt.runs() == prebuilt.code_sha256
    assert prebuilt.terraform.plan() is None

    assert changes(prebuilt.plan(None, "python3")) == {
        "aws_lambda_function.this[0]": "updated in-place",
        "terraform_data.deployed[0]": "created",
        "terraform_data.package[0]": "created",
        "terraform_data.prebuilt[0]": "destroyed",
    }
    prebuilt.terraform.apply()
    assert prebuilt.runs() == prebuilt.code_sha256
    assert prebuilt.terraform.plan() is None

    # Someone puts other code there: the next plan says so, and the apply what to do.
    prebuilt.put_other_code()
    assert changes(prebuilt.plan(None, "python3")) == {"terraform_data.deployed[0]": "replaced"}
    assert "The function runs other code (" in prebuilt.refusal()


def test_other_code_than_the_prebuilt_package_is_planned_for_and_fails_the_apply(prebuilt: Prebuilt) -> None:
    prebuilt.plan({"path": str(prebuilt.path)})
    prebuilt.terraform.apply()
    assert prebuilt.runs() == prebuilt.code_sha256

    prebuilt.put_other_code()
    assert changes(prebuilt.plan({"path": str(prebuilt.path)})) == {"terraform_data.prebuilt[0]": "updated in-place"}
    assert "The function runs other code (" in prebuilt.refusal()


def test_a_package_of_another_version_is_told_at_plan(prebuilt: Prebuilt, tmp_path: Path) -> None:
    older = tmp_path / prebuilt.path.name.replace("-arm64-", "-x86_64-").replace(".zip", "0.zip")
    older.write_bytes(prebuilt.path.read_bytes() + b"\0")
    says = as_one_line(prebuilt.plan({"path": str(older)}))
    assert "Warning: Check block assertion failed" in says
    assert f"The prebuilt package {older.name} is not of this version of the module" in says
    assert f"that is {prebuilt.path.name}" in says
