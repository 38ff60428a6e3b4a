"""If these fail, ImageNet weights load wrongly and every model starts from a broken network."""

import h5py
import numpy as np
import pytest
import torch

from tumorlens.errors import ModelCorrupt, ModelNotFound
from tumorlens.train.architectures.mobilenetv2 import FEATURES, MobileNetV2
from tumorlens.train.keras.fill import load_keras_weights


@pytest.mark.parametrize("side", [64, 96, 97, 224])
def test_features_halve_five_times_and_round_up_as_keras_padding_does(side):
    with torch.inference_mode():
        shape = MobileNetV2().eval()(torch.zeros(1, 3, side, side)).shape
    assert shape == (1, FEATURES, -(-side // 32), -(-side // 32))


class TestKerasFiles:
    def write(self, path, network, change=None):
        """The network's own weights in Keras' layout, so that reading can be checked exactly."""
        with h5py.File(path, "w") as file:
            layers = []
            for name, module in network.named_children():
                group = file.create_group(name)
                arrays = dict(self.keras_arrays(module))
                for weight, array in arrays.items():
                    group[f"{name}/{weight}:0"] = array
                group.attrs["weight_names"] = [f"{name}/{weight}:0" for weight in arrays]
                layers.append(name)
            file.attrs["layer_names"] = change(file, layers) if change else layers
        return path

    def keras_arrays(self, module):
        state = {name: value.numpy() for name, value in module.state_dict().items()}
        if isinstance(module, torch.nn.BatchNorm2d):
            yield "gamma", state["weight"]
            yield "beta", state["bias"]
            yield "moving_mean", state["running_mean"]
            yield "moving_variance", state["running_var"]
        elif module.groups > 1:
            yield "depthwise_kernel", state["weight"].transpose(2, 3, 0, 1)
        else:
            yield "kernel", state["weight"].transpose(2, 3, 1, 0)

    def test_a_written_file_loads_exactly(self, tmp_path):
        source, target = MobileNetV2(), MobileNetV2()
        load_keras_weights(target, self.write(tmp_path / "w.h5", source))
        for name, value in source.state_dict().items():
            assert torch.equal(target.state_dict()[name], value), name

    def test_a_missing_layer_is_named(self, tmp_path):
        path = self.write(tmp_path / "w.h5", MobileNetV2(), lambda _, layers: layers[1:])
        with pytest.raises(ModelCorrupt, match="no weights for the layers Conv1"):
            load_keras_weights(MobileNetV2(), path)

    def test_a_head_in_the_file_is_left_alone(self, tmp_path):
        def add_top(file, layers):
            group = file.create_group("predictions")
            group["predictions/kernel:0"] = np.zeros((1280, 1000), np.float32)
            group.attrs["weight_names"] = ["predictions/kernel:0"]
            return [*layers, "predictions"]

        source, target = MobileNetV2(), MobileNetV2()
        load_keras_weights(target, self.write(tmp_path / "w.h5", source, add_top))
        assert torch.equal(target.Conv1.weight, source.Conv1.weight)

    def test_layers_of_other_names_are_taken_in_their_order(self, tmp_path):
        def rename(file, layers):
            for name in layers:
                file.move(name, f"{name}_1")
            return [f"{name}_1" for name in layers]

        source, target = MobileNetV2(), MobileNetV2()
        load_keras_weights(target, self.write(tmp_path / "w.h5", source, rename))
        for name, value in source.state_dict().items():
            assert torch.equal(target.state_dict()[name], value), name

    def test_another_width_is_refused_with_the_shapes(self, tmp_path):
        def narrow(file, layers):
            del file["Conv1/Conv1/kernel:0"]
            file["Conv1/Conv1/kernel:0"] = np.zeros((3, 3, 3, 16), np.float32)
            return layers

        path = self.write(tmp_path / "w.h5", MobileNetV2(), narrow)
        with pytest.raises(ModelCorrupt, match=r"Conv1: has arrays of shape \[\(3, 3, 3, 16\)\]"):
            load_keras_weights(MobileNetV2(), path)

    def test_what_is_no_weight_file_is_refused(self, tmp_path):
        (tmp_path / "w.h5").write_text("not HDF5")
        with pytest.raises(ModelCorrupt, match="not a Keras model"):
            load_keras_weights(MobileNetV2(), tmp_path / "w.h5")
        with pytest.raises(ModelNotFound, match="no such file"):
            load_keras_weights(MobileNetV2(), tmp_path / "gone.h5")
