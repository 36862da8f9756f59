"""What the numbers and codes of our documents are, in plain English; the `meaning` block of `fields.json`."""

MEANING = {
    "format_version": "Version of this document's layout; a reader must refuse a version it does not know.",
    "task.classes": "The target's classes, in the order of the predicted probabilities; empty for regression.",
    "source": (
        "Where the fields come from: searched (gradient descent on R), correlation or interaction (each centre's "
        "strongest partners by correlation or by label-conditional covariance shift), aligned or aligned interaction "
        "(the same, with slots aligned along a geometry), aligned partial (the same by partial correlation: what two "
        "columns share that no other column knows), moments (the placements of one pattern that explain best how "
        "the columns vary together in each class), random (no other did better), given (by the user)."
    ),
    "columns.id": "Number of the column, from 0. Everywhere else in this document a column is given by this number.",
    "columns.lag": "How many time steps before the predicted row the value is taken from; 0 is the row itself.",
    "layers.id": "Number of the network's layer, from 0 (next to the data) upwards.",
    "layers.fields_from": "Id of the layer whose fields this layer uses; layers that share fields name the same id.",
    "layers.kernel_size": "K, slots in each field, the centre's own slot included.",
    "layers.channels": "Features that the layer computes at each centre.",
    "fields.id": "Number of the field, from 0.",
    "fields.layer": "Id of the layer that the field belongs to (see layers.fields_from).",
    "fields.centre": "Id of the column that the field is built around.",
    "fields.members.slot": (
        "Place in the field, from 0; slot 0 is the centre. A slot has the same kernel weights at every centre, so "
        "members of different fields in the same slot play the same part."
    ),
    "fields.members.column": "Id of the column in this slot.",
    "fields.members.weight": (
        "How sure the search was of this column in this slot: its share, 0 to 1, of the slot's softmax over all "
        "columns when the search ended. 1 where nothing was searched (slot 0, given fields). It says neither how "
        "strongly the network uses the column nor how probable the link is."
    ),
    "fields.members.runner_up": "Id of the column with the largest share among those not chosen; null: none.",
    "fields.members.runner_up_weight": (
        "The runner-up's share, on the scale of weight. Close to weight: the choice was nearly a tie. Above it: the "
        "runner-up was wanted more, but fills another slot of this field."
    ),
    "fields.members.support": (
        "Share, 0 to 1, of the half-samples of the rows that put this column into this centre's field; null: "
        "not estimated."
    ),
    "fields.importance": (
        "How much the mean loss on held-out rows grows when the field's columns take the values of another row, all of "
        "the same one: about 0 where the network does not need them. Log loss for classes, squared error of the "
        "standardised target for regression; of at most 256 rows, shuffled once; null: not estimated."
    ),
    "groups.id": "Number of the group, from 0, the largest first.",
    "groups.columns": (
        "Ids of the columns in the group: columns that appear in one another's fields more than in others' (Louvain "
        "communities of the edges, both directions added). Each column is in exactly one group."
    ),
    "edges.from": "Id of the centre.",
    "edges.to": "Id of the member. Edges are directed: to is in from's field; the reverse is an edge of its own.",
    "edges.slots": "Slots in which the member appears in the centre's field, in any layer.",
    "edges.weight": "Sum of the member's slot weights over those slots and all layers; can exceed 1.",
    "edges.support": "The largest support among those slots; null: not estimated.",
    "stability": (
        "The source of the fields once more on half-samples of the training rows; null: not measured. phi: how alike "
        "the selections are, 1 all the same, 0 as chance would have it (Nogueira, Sechidis, Brown 2018). stable_edges: "
        "edges in at least the share threshold of the half-samples; expected_false: a bound on how many of them are "
        "chance (Meinshausen, Buehlmann 2010). null: the same with a shuffled target, where the source uses it."
    ),
    "verdict.code": (
        "structure_found: the fields help and half-samples agree on them; not_unique: they help, but other fields may "
        "do as well; no_evidence: they do no better than random fields."
    ),
    "verdict.against_random.mean": (
        "Test score with learned fields minus test score with random fields, on the same rows: accuracy as a fraction, "
        "R² for regression."
    ),
    "verdict.against_random.interval": "95 % interval [low, high] of that difference; if it holds 0, it may be chance",
}

SOURCES = {
    "correlation": "by correlation, slots by strength (--kernel own needs no common order)",
    "interaction": "by interaction, slots by strength (--kernel own needs no common order)",
    "aligned": "by correlation, slots aligned",
    "aligned partial": "by partial correlation, slots aligned",
    "aligned interaction": "by interaction, slots aligned",
    "moments": "by second moments, slots aligned",
    "searched": "searched by gradient descent",
    "random": "random; the contest found none better",
    "given": "as given",
}
MODELS = {"random_fields": "random fields", "correlation_fields": "correlation fields", "mlp": "plain MLP"}
VERDICTS = {
    "structure_found": "Structure found",
    "not_unique": "The structure helps, but is not unique",
    "no_evidence": "No evidence of structure",
}
