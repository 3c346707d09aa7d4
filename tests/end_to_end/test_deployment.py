"""What Terraform does with the pizza example over its life."""

import base64
import hashlib
import zipfile
from pathlib import Path

from local.pizza import Pizza
from local.terraform import PROJECT
from tests.end_to_end.account import resources


def test_a_second_plan_is_empty_and_the_tree_is_as_it_was(app: Pizza) -> None:
    assert app.terraform.plan() is None
    assert not any(PROJECT.glob("examples/**/*.tfstate*"))
    assert not any(PROJECT.glob("examples/**/.terraform*"))


def test_the_function_runs_the_package_that_was_built(app: Pizza) -> None:
    deployed = app.aws.client("lambda").get_function_configuration(FunctionName=app.outputs["function_name"])
    digest = hashlib.sha256(app.package.read_bytes()).digest()
    assert deployed["CodeSha256"] == base64.b64encode(digest).decode()
    deployed_modules = {name for name in zipfile.ZipFile(app.package).namelist() if name.startswith("handler/")}
    assert deployed_modules == {str(path.relative_to(PROJECT)) for path in Path(PROJECT, "handler").rglob("*.py")}


def test_new_code_is_an_update_in_place_and_destroy_leaves_nothing() -> None:
    with Pizza() as app:
        function = app.aws.client("lambda")
        first = function.get_function_configuration(FunctionName=app.outputs["function_name"])
        source = app.terraform.directory / "handler" / "__init__.py"
        source.write_text(f"{source.read_text()}\n# changed\n")
        assert app.terraform.changes() == {
            "module.pizza_cache.aws_lambda_function.this[0]": "updated in-place",
            "module.pizza_cache.terraform_data.deployed[0]": "replaced",
            "module.pizza_cache.terraform_data.package[0]": "replaced",
        }
        app.terraform.apply()
        app.outputs = app.terraform.outputs()
        try:
            second = function.get_function_configuration(FunctionName=app.outputs["function_name"])
            assert second["CodeSha256"] != first["CodeSha256"]
            assert app.terraform.plan() is None
        finally:
            app.package.unlink()
        assert app.terraform.plan() is None
        assert len(resources(app.aws)) == 17
        app.terraform.destroy()
        assert resources(app.aws) == []
