"""An operation counts with what it reads and writes; one that only looks at memory in another way does not."""

import torch

from benchmarks import traffic


def counted(work):
    image = torch.ones(10, 4)
    with traffic.Traffic() as found:
        work(image)
    return found.operations, found.bytes


def test_operations_and_their_bytes_are_counted():
    assert counted(lambda image: image * 2) == (1, 2 * 160)
    assert counted(lambda image: image.add_(image)) == (1, 3 * 160)
    assert counted(lambda image: image.view(4, 10)[1:].t()) == (0, 0)
    assert counted(lambda image: image[:1].expand(10, 4) + image) == (1, 16 + 2 * 160)


def test_the_command_prints_a_row_per_network_with_what_its_memory_takes(capsys):
    assert traffic.main(["--weights", "bicubic-x2", "--size", "64x48", "--gbs", "100"]) == 0
    head, _, row = capsys.readouterr().out.splitlines()
    assert "ms at 100 GB/s" in head
    name, gflop, operations, *_ = (each.strip() for each in row.strip("|").split("|"))
    assert (name, gflop) == ("bicubic-x2", "0.0")
    assert int(operations) > 50
