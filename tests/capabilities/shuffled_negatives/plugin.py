"""Another task plus a question: are the patches of this image where they belong?"""

from pydantic import Field
from torch import nn

from reorder_kit import hookimpl
from reorder_kit.interfaces import (
    ComponentOptions,
    EvaluatedControl,
    Part,
    Pass,
    StepResult,
    Task,
    TaskWrapper,
    cut,
    paste,
)


class ShuffledPatches(EvaluatedControl):
    """If the result stays the same, the model does not use locations."""

    name = "shuffled-patches"
    words = "the patches of each image shuffled"

    def change(self, model, batch, classes):
        return model, batch.with_images(batch.prepared["shuffled"])


class ShuffledNegatives(TaskWrapper):
    """The loss of the inner task, plus that of distinguishing images from the same images with shuffled patches."""

    name = "shuffled-negatives"

    class Options(ComponentOptions):
        inner: Part[Task] = Field(description="the task")
        weight: float = Field(0.5, ge=0, description="of the question in the loss")

    def __init__(self, options):
        super().__init__(options, options.inner.build())

    def controls(self):
        return (*self.inner.controls(), ShuffledPatches())

    def build_head(self, context):
        return TwoHeads(super().build_head(context), Question(context.facts.dim))

    def build_state(self, context, backbone, head):
        return super().build_state(context, backbone, head.inner)

    def prepare(self, batch, training, context):
        batch = super().prepare(batch, training, context)
        patches = cut(batch.images, context.facts.grid)
        places = batch.random("shuffled-negatives/places", patches.shape[1]).argsort(dim=1).unsqueeze(2)
        shuffled = patches.gather(1, places.expand_as(patches))
        return batch.with_prepared(shuffled=paste(shuffled, context.facts.grid, context.image))

    def step(self, model, batch, progress):
        result = super().step(self.inner_model(model), batch, progress)
        asked = model.with_parts(head=model.head.question).ordered_by(*result.passes[0].proposals)
        whole, shuffled = asked(batch), asked(batch.with_images(batch.prepared["shuffled"]))
        question = nn.functional.softplus(-whole.outputs) + nn.functional.softplus(shuffled.outputs)
        passes = (*result.passes, Pass(whole.proposals, -question.detach()))
        parts = {**result.parts, "question": question}
        return StepResult(result.loss + self.options.weight * question, result.outputs, passes, parts)

    def predict(self, model, batch, result=None):
        return super().predict(self.inner_model(model), batch, result)

    def after_step(self, model, results, progress):
        super().after_step(self.inner_model(model), results, progress)

    def model_for_evaluation(self, model):
        inner = super().model_for_evaluation(self.inner_model(model))
        return inner.with_parts(head=TwoHeads(inner.head, model.head.question))

    def inner_model(self, model):
        return model.with_parts(head=model.head.inner)


class TwoHeads(nn.Module):
    """That of the inner task and that of the question, each of which a step asks by itself."""

    def __init__(self, inner, question):
        super().__init__()
        self.inner, self.question = inner, question

    def forward(self, features):
        return self.inner(features)


class Question(nn.Module):
    """Above 0 for an image as it is."""

    def __init__(self, dim):
        super().__init__()
        self.linear = nn.Linear(dim, 1)

    def forward(self, features):
        return self.linear(features.summary()).squeeze(1)


@hookimpl
def register_tasks():
    return [ShuffledNegatives]
