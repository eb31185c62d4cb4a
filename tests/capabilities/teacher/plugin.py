"""A teacher that follows the student, and that the student learns to agree with."""

from copy import deepcopy

from pydantic import Field
from torch import nn, no_grad

from reorder_kit import hookimpl
from reorder_kit.interfaces import CLASS, ComponentOptions, Pass, StepResult, Task, gather_images


class MeanTeacher(Task):
    """Cross-entropy, plus the distance of the outputs from those of a teacher, an average of the student's weights.

    Source: Tarvainen and Valpola, 2017, https://arxiv.org/abs/1703.01780.
    """

    name = "mean-teacher"
    target_kinds = (CLASS,)
    headline = "accuracy"

    class Options(ComponentOptions):
        momentum: float = Field(0.8, ge=0, lt=1, description="share of the teacher's weights that a step keeps")
        weight: float = Field(1.0, ge=0, description="of the distance in the loss")

    def build_head(self, context):
        return Logits(context.facts.dim, len(context.classes))

    def build_state(self, context, backbone, head):
        return nn.ModuleDict({"backbone": deepcopy(backbone), "head": deepcopy(head)})

    def step(self, model, batch, progress):
        read = model(batch)
        with no_grad():
            teacher = self.model_for_evaluation(model).ordered_by(*read.proposals)(batch).outputs
        right = nn.functional.cross_entropy(read.outputs, batch.targets, reduction="none")
        distance = (read.outputs.softmax(1) - teacher.softmax(1)).square().sum(1)
        passes = (Pass(read.proposals, -right.detach()),)
        return StepResult(right + self.options.weight * distance, read.outputs, passes, {"distance": distance})

    def after_step(self, model, results, progress):
        for part, student in (("backbone", model.backbone), ("head", model.head)):
            for mine, new in zip(model.state[part].parameters(), student.parameters(), strict=True):
                mine.lerp_(new, 1 - self.options.momentum)

    def model_for_evaluation(self, model):
        return model.with_parts(backbone=model.state["backbone"], head=model.state["head"])

    def score_per_image(self, predictions, batch):
        return (predictions.argmax(dim=1) == batch.targets).float()

    def build_metrics(self, context):
        return Accuracy(self.score_per_image)


class Logits(nn.Module):
    """A linear layer."""

    def __init__(self, dim, classes):
        super().__init__()
        self.linear = nn.Linear(dim, classes)

    def forward(self, features):
        return self.linear(features.summary())


class Accuracy:
    """Over the images of all processes."""

    def __init__(self, score):
        self.score, self.hits, self.images = score, 0, 0

    def update(self, predictions, batch):
        score = self.score(predictions, batch)
        self.hits, self.images = self.hits + score.sum(), self.images + score.new_tensor(len(batch))

    def compute(self):
        hits, images = (gather_images(number[None])[0].sum() for number in (self.hits, self.images))
        return {"accuracy": float(hits / images)}


@hookimpl
def register_tasks():
    return [MeanTeacher]
