"""A cluster of Slurm on this host, for one test: its daemons, ports, files and keys are its
own, and it is gone when the test is over."""

import os
import pathlib
import shutil
import socket
import subprocess
import time

START_S = 20
END_S = 10
POLL_S = 0.1
PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel"]
SYSTEM_FOLDERS = "/usr/sbin:/sbin"
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus}
PartitionName=all Nodes=ALL Default=YES
"""


class Unavailable(Exception):
    """Why there can be no cluster on this host."""


def free_ports(count):
    """Ports that nobody has just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports


class Cluster:
    """One node. Its folder is the caller's."""

    def __init__(self, folder, cpus):
        self.folder = pathlib.Path(folder)
        self.daemons = []
        os.environ["PATH"] += ":" + SYSTEM_FOLDERS
        os.environ["SLURM_CONF"] = str(self.folder / "slurm.conf")
        for name in [name for name in os.environ if name.startswith("SBATCH_")]:
            del os.environ[name]
        missing = [name for name in PROGRAMS if not shutil.which(name)]
        if missing:
            raise Unavailable(f"needs {', '.join(missing)}: the packages munge, slurmctld, "
                              "slurmd and slurm-client")
        self.folder.chmod(0o711)
        for name in ("state", "spool"):
            (self.folder / name).mkdir(mode=0o755)
        (self.folder / "key").touch(mode=0o600)
        (self.folder / "key").write_bytes(os.urandom(1024))
        (self.folder / "slurm.conf").write_text(CONFIGURATION.format(
            host=socket.gethostname().split(".")[0], folder=folder, cpus=cpus,
            user=os.getuid(), ports=free_ports(2)), encoding="ascii")
        try:
            self.start_all()
        except Unavailable:
            self.end()
            raise

    def start(self, *words):
        """A daemon that stays in the foreground; what it says goes to a file."""
        with open(self.folder / f"{words[0]}.out", "wb") as output:
            # pylint: disable=consider-using-with
            self.daemons.append((words[0], subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output)))

    def start_all(self):
        """Each when the one before is there."""
        folder = self.folder
        socket_file = folder / "munge.socket"
        self.start("munged", "--foreground", "--force", f"--socket={socket_file}",
                   f"--key-file={folder}/key", f"--pid-file={folder}/munged.pid",
                   f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed")
        self.wait_until(socket_file.exists)
        self.start("slurmctld", "-D")
        self.start("slurmd", "-D")
        self.wait_until(lambda: self.ask("sinfo", "-h", "-o", "%T").strip() == "idle")

    def wait_until(self, condition):
        """Or says what the daemon has said last."""
        deadline = time.monotonic() + START_S
        while not condition():
            for name, process in self.daemons:
                if process.poll() is not None or time.monotonic() > deadline:
                    said = (self.folder / f"{self.daemons[-1][0]}.out").read_text(
                        encoding="utf-8", errors="replace").splitlines()
                    raise Unavailable(f"{name} does not run here: {' / '.join(said[-3:])}")
            time.sleep(POLL_S)

    def ask(self, *words):
        """What one of Slurm's commands prints."""
        return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=60, check=False,
                              text=True).stdout

    def states(self, job):
        """Of an array's tasks that are not done: RUNNING, COMPLETING…"""
        lines = self.ask("squeue", "-h", "-r", "-j", str(job), "-o", "%K %T").splitlines()
        return {int(line.split()[0]): line.split()[1] for line in lines}

    def task(self, job, number):
        """All that Slurm knows of a task."""
        words = self.ask("scontrol", "-o", "show", "job", f"{job}_{number}").split()
        return dict(word.partition("=")[::2] for word in words)

    def end(self):
        """Jobs first: their processes are not the daemons' children."""
        if len(self.daemons) > 1:
            self.ask("scancel", "--me")
            deadline = time.monotonic() + END_S
            while self.ask("squeue", "-h") and time.monotonic() < deadline:
                time.sleep(POLL_S)
        for _, process in reversed(self.daemons):
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
