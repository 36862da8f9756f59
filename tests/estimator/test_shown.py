"""What a notebook shows: pictures, and the groups below scikit-learn's diagram."""

import pandas as pd
import pytest
import sklearn
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError

from rfconv_cli.estimator import RFConvClassifier
from tests.conftest import sensor_frame

QUICK = {"search_steps": 30, "epochs": 4, "channels": 4, "hidden": 8, "random_draws": 1, "stability": 0}
EVIL = "<script>alert(1)</script>"


def fitted(**renamed: str) -> RFConvClassifier:
    frame = sensor_frame()
    x = frame.drop(columns=["state", "load"]).rename(columns=renamed)
    return RFConvClassifier(**QUICK).fit(pd.DataFrame(x), frame["state"])


@pytest.mark.parametrize("kind", ["matrix", "graph", "centres"])
def test_fields_are_drawn_with_names_that_need_care(kind):
    figure = fitted(temp_a=EVIL, temp_b="気温").plot_fields(kind)
    assert isinstance(figure, Figure)
    texts = {text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))}
    assert {"pressure", "気温"} <= texts
    assert any(text.startswith("<script>") for text in texts)


def test_the_matrix_is_drawn_where_nothing_is_said():
    assert "Field matrix" in fitted().plot_fields().get_suptitle()


def test_a_kind_that_is_none_is_refused():
    with pytest.raises(ValueError, match="kind='tree'"):
        fitted().plot_fields("tree")


def test_what_was_not_fitted_cannot_be_drawn():
    with pytest.raises(NotFittedError):
        RFConvClassifier().plot_fields()


def shown(model: RFConvClassifier) -> tuple[str, str]:
    return model._repr_html_(), model._repr_mimebundle_()["text/html"]


def test_before_fit_a_notebook_shows_scikit_learns_diagram_alone():
    assert all("sk-top-container" in html and "rfconv-groups" not in html for html in shown(RFConvClassifier()))


def test_after_fit_a_notebook_shows_the_groups_too():
    for html in shown(fitted()):
        assert "sk-top-container" in html
        table = html[html.index("rfconv-groups") :]
        assert all(name in table for name in ("flow[l/h]", "temp_a", "pressure"))


def test_markup_in_a_name_is_inert():
    model = fitted(temp_a=EVIL, temp_b='" onload="alert(2)')
    frame = sensor_frame(rows=60, seed=1).drop(columns=["state", "load"])
    frame.columns = model.feature_names_in_
    model.judge(frame, sensor_frame(rows=60, seed=1)["state"])
    for html in shown(model):
        assert "<script>alert" not in html
        assert '" onload="alert' not in html
        assert "&lt;script&gt;alert(1)" in html


def test_text_displays_are_left_alone():
    with sklearn.config_context(display="text"):
        model = fitted()
        assert "text/html" not in model._repr_mimebundle_()
        assert not hasattr(model, "_repr_html_")
