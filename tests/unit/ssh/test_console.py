"""The console parser, on logs as consoles give them: prefixed, interleaved, torn."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from clusterctl.ssh.console import BootState, HostKey, Step, console_tail, new_nonce, parse_console, proof_of, valid_key
from tests.unit.ssh.keys import ECDSA, ED25519, NONCE, PROOF, RSA, key_line, said

WHOLE = f"""\
[    0.000000] Linux version 6.1.0-18-cloud-amd64\r
[  OK  ] Started \x1b[0;1;39mssh.service\x1b[0m - OpenBSD Secure Shell server.\r
[   12.301] cloud-init[399]: clusterctl: hostkey {RSA.type} {RSA.base64}\r
{key_line(ED25519)}\r
{key_line(ECDSA)}
{said("step files ok")}
[   14.2] cloud-init[399]: clusterctl: step files ok\r
{said("step zookeeper ok")}
{said("done")}\r
[   15.9] cloud-init[399]: Cloud-init v. 22.4.2 finished at Thu, 01 Jan 2026 00:00:00 +0000. Up 15.9 seconds

debian login: """


def test_a_whole_boot() -> None:
    report = parse_console(WHOLE, PROOF)
    assert report.state is BootState.DONE
    assert report.host_keys == (ECDSA, ED25519)
    assert report.steps == (Step("files", ok=True), Step("zookeeper", ok=True))
    assert (report.failed_step, report.reason, report.problems) == (None, "", ())


def test_keys_come_again_before_the_last_line() -> None:
    """A console that is read slowly loses its middle, and with it what the script said first."""
    rest = f"{said('step zookeeper ok')}\n{key_line(ED25519)}\n{key_line(ECDSA)}\n{said('done')}\n"
    for text in (rest, f"{key_line(ED25519)}\n{key_line(ECDSA)}\n{rest}"):
        report = parse_console(text, PROOF)
        assert report.state is BootState.DONE
        assert report.host_keys == report.latest_keys == (ECDSA, ED25519)


def test_nothing_yet() -> None:
    report = parse_console("[    0.0] Linux version 6.1\nLoading initial ramdisk ...\n")
    assert report.state is BootState.SILENT
    assert report.host_keys == ()


def test_under_way() -> None:
    assert parse_console(key_line(RSA), PROOF).state is BootState.RUNNING
    assert parse_console(said("step files ok"), PROOF).state is BootState.RUNNING


def test_a_failed_step_is_named_with_its_reason() -> None:
    report = parse_console(
        f"{said('step files ok')}\n"
        f"{said('step mesos-master failed: mesos-master.service is failed (signal)')}\r\n"
        f"{said('failed mesos-master')}\n"
        "Cloud-init v. 22.4.2 finished at now\n",
        PROOF,
    )
    assert report.state is BootState.FAILED
    assert (report.failed_step, report.reason) == ("mesos-master", "mesos-master.service is failed (signal)")
    assert report.steps[-1] == Step("mesos-master", ok=False, reason="mesos-master.service is failed (signal)")


def test_the_last_word_counts_after_a_second_run() -> None:
    report = parse_console("\n".join(map(said, ("failed fetch", "step fetch ok", "done"))), PROOF)
    assert report.state is BootState.DONE
    assert report.failed_step is None


@pytest.mark.parametrize(
    ("complaint", "reason"),
    [
        ("util.py[WARNING]: Failed to run module scripts_user (scripts in ...)", "Failed to run module scripts_user"),
        ("util.py[WARNING]: Running module runcmd (<module 'x'>) failed", "Running module runcmd"),
        (
            "__init__.py[WARNING]: Unhandled non-multipart (text/x-not-multipart) userdata: 'b'#c'",
            "Unhandled non-multip",
        ),
        ("util.py[WARNING]: Failed loading yaml blob. Invalid format at line 1", "Failed loading yaml blob"),
    ],
)
def test_cloud_init_that_ended_without_our_script_has_failed(complaint: str, reason: str) -> None:
    log = f"[   9.1] cloud-init[512]: 2026-01-01 00:00:00,000 - {complaint}\n"
    assert parse_console(log).state is BootState.SILENT  # it may go on
    report = parse_console(f"{log}Cloud-init v. 23.1 finished at Thu. Datasource DataSourceConfigDrive.\n")
    assert (report.state, report.failed_step) == (BootState.FAILED, "cloud-init")
    assert report.reason.startswith(reason)


def test_a_rebooted_server_whose_first_boot_scrolled_away_has_not_failed() -> None:
    report = parse_console(
        "[  284.5] cloud-init[288]: 2026-01-01 - schema.py[WARNING]: Invalid cloud-config provided: Please run 'sudo'\n"
        "debian login: [  457.2] cloud-init[416]: Cloud-init v. 22.4.2 finished at Thu. Datasource DataSourceNone.\n"
    )
    assert report.state is BootState.SILENT
    assert len(report.problems) == 1


def test_a_complaint_does_not_outweigh_done() -> None:
    report = parse_console(
        f"schema.py[WARNING]: deprecated\n{said('done')}\nCloud-init v. 23.1 finished at now\n", PROOF
    )
    assert report.state is BootState.DONE
    assert report.problems == ("schema.py[WARNING]: deprecated",)


def test_a_kernel_panic_is_a_failed_boot() -> None:
    report = parse_console("[    2.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n")
    assert (report.state, report.failed_step) == (BootState.FAILED, "boot")
    assert report.reason.startswith("Kernel panic - not syncing")


def test_stock_images_print_cloud_inits_own_block() -> None:
    report = parse_console(
        "-----BEGIN SSH HOST KEY FINGERPRINTS-----\n256 SHA256:abc root@x (ED25519)\n"
        "-----END SSH HOST KEY FINGERPRINTS-----\n"
        f"<14>Jan  1 00:00:00 cloud-init: -----BEGIN SSH HOST KEY KEYS-----\r\n"
        f"{ECDSA.type} {ECDSA.base64} root@builder\r\n{ED25519.type} {ED25519.base64} root@builder\r\n"
        "-----END SSH HOST KEY KEYS-----\r\n"
        f"{RSA.type} {RSA.base64} outside of the block\n"
    )
    assert report.host_keys == (ECDSA, ED25519)


def test_our_lines_win_over_cloud_inits_block() -> None:
    block = f"-----BEGIN SSH HOST KEY KEYS-----\n{RSA.type} {RSA.base64}\n-----END SSH HOST KEY KEYS-----\n"
    ours = f"clusterctl: hostkey {ED25519.type} {ED25519.base64}\n"
    assert parse_console(block + ours).host_keys == (ED25519,)
    assert parse_console(block).host_keys == (RSA,)
    assert parse_console(block, PROOF).host_keys == ()  # whoever proves its lines prints its own


@pytest.mark.parametrize("key", [ED25519, ECDSA, RSA], ids=lambda key: str(key.type))
def test_a_torn_key_is_no_key(key: HostKey) -> None:
    assert valid_key(key)
    for size in range(len(key.base64)):
        assert not valid_key(HostKey(key.type, key.base64[:size]))


def test_a_key_torn_by_the_kernel_is_taken_from_its_second_print() -> None:
    torn = key_line(ED25519)[:60] + "[   13.1] random: crng init done\n"
    assert parse_console(torn, PROOF).host_keys == ()
    assert parse_console(torn + key_line(ED25519) + "\n", PROOF).host_keys == (ED25519,)


def test_a_key_of_another_type_than_it_says_is_refused() -> None:
    assert not valid_key(HostKey("ssh-rsa", ED25519.base64))
    assert not valid_key(HostKey("ssh-ed25519", "no base64!"))


def test_the_tail_is_readable() -> None:
    assert console_tail("a\r\n\r\n\x1b[32mb\x1b[0m\n\nc\n", lines=2) == "b\nc"


def test_a_nonce_does_not_leave_by_an_error_message() -> None:
    assert console_tail(f"{said('failed files')}\n") == "clusterctl: failed files"


FORGED = HostKey("ssh-ed25519", base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + b"f" * 32).decode())
# What the kernel prints of: mount -t overlay -o lowerdir=<text>
KERNEL = "[  812.402117] overlayfs: failed to resolve '/{}': -2\n"
UNSIGNED = f"clusterctl: hostkey {FORGED.type} {FORGED.base64}"


@pytest.mark.parametrize(
    "line",
    [
        UNSIGNED,  # `wall`, or whoever may write to the console
        KERNEL.format(UNSIGNED),
        KERNEL.format(key_line(FORGED)),  # even with the nonce: not at the line's beginning
        KERNEL.format("\r" + key_line(FORGED)),
        KERNEL.format("\x1b[2K\x1b[1G" + key_line(FORGED)),
        KERNEL.format("x\r\r" + UNSIGNED),
        key_line(FORGED, nonce="0" * 32),
        key_line(FORGED, nonce=PROOF[:32]),  # what everybody may know
        f"clusterctl {PROOF}: hostkey {FORGED.type} {FORGED.base64}",
        f" {key_line(FORGED)}",
    ],
)
def test_a_forged_line_is_no_line_of_the_node(line: str) -> None:
    assert valid_key(FORGED)
    assert parse_console(line, PROOF).host_keys == ()
    assert parse_console(line, PROOF).state is BootState.SILENT
    report = parse_console(f"{line}\n{key_line(ED25519)}\n{said('done')}\n{line}\n", PROOF)
    assert (report.host_keys, report.latest_keys) == ((ED25519,), (ED25519,))


@pytest.mark.parametrize("text", ["step zookeeper failed: forged", "failed zookeeper", "done"])
def test_nor_can_anybody_else_tell_of_the_boot(text: str) -> None:
    assert parse_console(f"clusterctl: {text}\n{said(text, nonce='1' * 32)}\n", PROOF).state is BootState.SILENT


def test_of_a_boot_the_first_key_of_a_type_counts() -> None:
    """Somebody who learnt the nonce comes too late."""
    log = [key_line(ED25519), key_line(ECDSA), key_line(ED25519), key_line(FORGED), said("step files ok"), said("done")]
    report = parse_console("\n".join(log), PROOF)
    assert (report.host_keys, report.latest_keys) == ((ECDSA, ED25519), (ECDSA, ED25519))


def test_a_rebuilt_server_has_runs_with_keys_of_their_own() -> None:
    log = [key_line(ED25519), said("step files ok"), said("done"), key_line(ECDSA), said("step files ok")]
    report = parse_console("\n".join(log), PROOF)
    assert (report.host_keys, report.latest_keys) == ((ED25519,), (ECDSA,))


def test_lines_without_a_nonce_count_for_servers_without_a_proof() -> None:
    old = f"clusterctl: hostkey {ED25519.type} {ED25519.base64}"
    report = parse_console(f"{KERNEL.format(UNSIGNED)}{old}\nclusterctl: done\n{UNSIGNED}\n")
    assert report.host_keys == (ED25519,)
    assert report.state is BootState.DONE
    assert parse_console(key_line(ED25519)).host_keys == ()


def test_a_nonce_is_long_and_its_proof_tells_nothing() -> None:
    first, second = new_nonce(), new_nonce()
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert first != second
    assert proof_of(NONCE) == hashlib.sha256(NONCE.encode()).hexdigest()


def test_fingerprints_are_those_of_openssh(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(f"{ECDSA.type} {ECDSA.base64}\n")
    told = subprocess.run(["ssh-keygen", "-l", "-f", file], capture_output=True, text=True, check=True).stdout
    assert told.split()[1] == ECDSA.fingerprint
