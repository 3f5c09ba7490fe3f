"""The objects of the Open Inference Protocol, as far as a classifier of images needs them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from service.http.example import example
from trainer.contract.evaluation import Protocol
from trainer.contract.serving import BASE64, MAX_TOP_K

INPUT: Literal["image"] = "image"
OUTPUT: Literal["probabilities"] = "probabilities"
PLATFORM = "pytorch_safetensors"
EXTENSIONS = ("binary_tensor_data", "classification")

Parameter = bool | int | float | str | None


class ServerLive(BaseModel):
    """The server answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"live": True}]})

    live: Literal[True] = True


class ServerReady(BaseModel):
    """All models that are deployed answer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ready": True}]})

    ready: Literal[True] = True


class ModelReady(BaseModel):
    """This model answers."""

    model_config = ConfigDict(json_schema_extra=example(lambda: ModelReady(name="fashion")))

    name: str
    ready: Literal[True] = True


class ServerMetadata(BaseModel):
    """What the server is, and what it can do beside the protocol."""

    model_config = ConfigDict(json_schema_extra=example(lambda: ServerMetadata(version="0.1.0")))

    name: Literal["residual"] = "residual"
    version: str
    extensions: tuple[str, ...] = EXTENSIONS


class TensorMetadata(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What a model takes or gives."""

    name: str
    datatype: str
    """BYTES or FP32."""
    shape: tuple[int, ...]
    """-1: any number."""


class ModelMetadata(BaseModel, use_attribute_docstrings=True):
    """A deployed model: images in, a probability of each class out."""

    model_config = ConfigDict(
        json_schema_extra=example(
            lambda: ModelMetadata.of("fashion", versions=["1"], preprocessing="3b1f", classes=10)
        )
    )

    name: str
    versions: list[str]
    """That answer now."""
    platform: str = PLATFORM
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    parameters: dict[str, str]
    """`preprocessing`: digest of the transform that is applied to an image."""

    @classmethod
    def of(
        cls, name: str, *, versions: list[str], preprocessing: str, classes: int
    ) -> "ModelMetadata":
        return cls(
            name=name,
            versions=versions,
            inputs=(TensorMetadata(name=INPUT, datatype="BYTES", shape=(-1,)),),
            outputs=(TensorMetadata(name=OUTPUT, datatype="FP32", shape=(-1, classes)),),
            parameters={"preprocessing": preprocessing},
        )


class _Parameters(BaseModel, extra="allow", use_attribute_docstrings=True):
    """Those that mean something here; the protocol lets clients send others, which do nothing."""

    __pydantic_extra__: dict[str, Parameter] = {}
    shared_memory_region: str | None = None
    """Not supported, and so refused."""

    @field_validator("shared_memory_region")
    @classmethod
    def _not_shared(cls, said: str | None) -> None:
        if said is not None:
            raise ValueError("tensors in shared memory are not reached; send them in the body")


class RequestParameters(_Parameters):
    binary_data_output: bool = False
    """Outputs come as binary data, unless one says otherwise."""
    protocol: Protocol | None = None
    """How each image is shown to the network: center, 10-crop or multi-scale. Default: as deployed."""


class InputParameters(_Parameters):
    binary_data_size: int | None = Field(default=None, ge=0)
    """Bytes of this tensor behind the JSON object, instead of `data`."""


class OutputParameters(_Parameters):
    binary_data: bool | None = None
    """Whether this output comes as binary data."""
    classification: int | None = Field(default=None, ge=1, le=MAX_TOP_K)
    """So many classes, the most probable first, each as the text `probability:index:label`."""


class InputIn(BaseModel, extra="forbid", use_attribute_docstrings=True):
    """The images: whole JPEG, PNG or WebP files."""

    name: Literal["image"]
    datatype: Literal["BYTES"]
    shape: list[int]
    """[n] or [n, 1]: n images."""
    data: list[str | tuple[str]] | None = None
    """The files in base64, unless they come as binary data."""
    parameters: InputParameters = InputParameters()


class OutputIn(BaseModel, extra="forbid", use_attribute_docstrings=True):
    """How the output is wanted."""

    name: Literal["probabilities"] = OUTPUT
    parameters: OutputParameters = OutputParameters()


class InferIn(BaseModel):
    """A request: one tensor of images."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "inputs": [
                        {"name": INPUT, "datatype": "BYTES", "shape": [1], "data": [BASE64]}
                    ],
                    "outputs": [{"name": OUTPUT, "parameters": {"classification": 3}}],
                }
            ]
        },
    )

    id: str | None = Field(default=None, max_length=1000)
    """Of the client's own; the answer carries it."""
    model_name: str | None = None
    """Some clients repeat it; the path decides."""
    model_version: str | None = None
    """As `model_name`."""
    parameters: RequestParameters = RequestParameters()
    inputs: list[InputIn] = Field(min_length=1, max_length=1)
    outputs: list[OutputIn] = Field(default=[], max_length=1)
    """Default: all probabilities."""


class OutputOut(BaseModel, use_attribute_docstrings=True):
    """A tensor of the answer."""

    name: str
    datatype: Literal["FP32", "BYTES"]
    """FP32: probabilities. BYTES: classes, as `probability:index:label`."""
    shape: tuple[int, int]
    """Images × classes."""
    parameters: dict[str, int] | None = None
    """`binary_data_size`: bytes of this tensor behind the JSON object, instead of `data`."""
    data: list[float] | list[str] | None = None
    """Row by row."""


class InferOut(BaseModel, use_attribute_docstrings=True):
    """An answer. It is of one version, which it names."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model_name": "fashion",
                    "model_version": "1",
                    "parameters": {"preprocessing": "3b1f0c5a9d2e4f60", "protocol": "center"},
                    "outputs": [
                        {
                            "name": OUTPUT,
                            "datatype": "BYTES",
                            "shape": [1, 3],
                            "data": ["0.97:9:Ankle boot", "0.02:7:Sneaker", "0.01:5:Sandal"],
                        }
                    ],
                }
            ]
        }
    )

    model_name: str
    model_version: str
    id: str | None = None
    parameters: dict[str, str]
    """`preprocessing`: digest of the transform that was applied. `protocol`: how images were shown.
    `ensemble`: the models that were averaged, as `name:version,name:version`."""
    outputs: tuple[OutputOut, ...]
