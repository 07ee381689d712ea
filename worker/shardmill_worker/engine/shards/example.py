"""``tf.train.Example`` without TensorFlow: the same message, described at import.

The field numbers are those of tensorflow/core/example/{example,feature}.proto and never change.
A pool of its own keeps the description apart from TensorFlow's, should both be loaded.
"""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE: Final = "tensorflow"
_LISTS: Final = (
    ("BytesList", "bytes_list", _Field.TYPE_BYTES),
    ("FloatList", "float_list", _Field.TYPE_FLOAT),
    ("Int64List", "int64_list", _Field.TYPE_INT64),
)


def _describe() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="shardmill/example.proto", package=_PACKAGE, syntax="proto3"
    )
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (list_name, field_name, value_type) in enumerate(_LISTS, start=1):
        file.message_type.add(name=list_name).field.add(
            name="value", number=1, label=_Field.LABEL_REPEATED, type=value_type
        )
        _add_message(feature, field_name, number, list_name).oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
    _add_message(entry, "value", 2, "Feature")
    _add_message(features, "feature", 1, "Features.FeatureEntry").label = _Field.LABEL_REPEATED
    _add_message(file.message_type.add(name="Example"), "features", 1, "Features")
    return file


def _add_message(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, type_name: str
) -> descriptor_pb2.FieldDescriptorProto:
    return message.field.add(
        name=name,
        number=number,
        label=_Field.LABEL_OPTIONAL,
        type=_Field.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.{type_name}",
    )


def _load() -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_describe())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Example"))


Example: Final[Any] = _load()
"""The message type ``tensorflow.Example``."""
