"""What a host measures of itself."""

from __future__ import annotations

from novalite.compute.monitors import Monitors, link_mbps


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def machine(tmp_path, stat, received):
    proc, net = tmp_path / "proc", tmp_path / "net"
    counters = net / "eth1" / "statistics"
    counters.mkdir(parents=True, exist_ok=True)
    proc.mkdir(exist_ok=True)
    (proc / "stat").write_text(f"cpu  {stat}\ncpu0 1 2 3\n")
    (proc / "loadavg").write_text("0.50 0.40 0.30 1/100 4242\n")
    (proc / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 250 kB\n")
    (counters / "rx_bytes").write_text(f"{received}\n")
    (counters / "tx_bytes").write_text("0\n")
    (net / "eth1" / "speed").write_text("10000\n")
    return proc, net


def test_what_changes_is_told_from_the_second_time_on(tmp_path):
    clock = Clock()
    proc, net = machine(tmp_path, "100 0 100 800 0 0 0 0 0 0", 0)
    monitors = Monitors(["cpu", "memory", "network"], ["eth1"], proc, net, clock)
    assert monitors.read() == {"memory.percent": 75.0}
    machine(tmp_path, "130 10 110 840 10 0 0 0 0 0", 2_500_000)
    clock.now += 10
    assert monitors.read() == {
        "memory.percent": 75.0, "cpu.user.percent": 40.0, "cpu.kernel.percent": 10.0, "cpu.iowait.percent": 10.0,
        "cpu.idle.percent": 40.0, "cpu.percent": 50.0, "network.mbps": 2.0,
    }  # fmt: skip


def test_what_cannot_be_read_is_left_out(tmp_path):
    proc, net = machine(tmp_path, "", 0)
    assert Monitors(["cpu", "network"], ["eth9"], proc, net).read() == {}
    assert set(Monitors(["load"], [], proc, net).read()) == {"load.percent"}
    assert link_mbps(["eth1", "eth9"], net) == 10000
