"""One twinkle-console without sound, driven by its standard input, inside a namespace where HERE is an address."""

import subprocess
from pathlib import Path
from typing import Final

from tests.peers.baresip import HERE

PROFILE: Final = """user_name={name}
user_domain=example.test
auth_name={name}
auth_pass={password}
outbound_proxy={here}:{server}
registrar={here}:{server}
register_at_startup=yes
registration_time=600
sip_transport={transport}
"""
SYSTEM: Final = """VERSION=1.10.2
sip_port={port}
log_show_sip=yes
dev_ringtone=alsa:default
dev_speaker=alsa:default
dev_mic=alsa:default
"""
# A sound card that takes everything and gives nothing.
NO_SOUND: Final = "pcm.!default { type null }\nctl.!default { type null }\n"


class Twinkle:
    """A phone of the user `name` on the SIP port `port`, registered with the daemon on the port `server` of HERE."""

    def __init__(
        self, folder: Path, name: str, port: int, server: int, transport: str, password: str = "secret"
    ) -> None:
        home = folder / f"twinkle-{name}-{port}"
        (home / ".twinkle").mkdir(parents=True)
        (home / ".asoundrc").write_text(NO_SOUND)
        (home / ".twinkle" / "twinkle.sys").write_text(SYSTEM.format(port=port))
        profile = PROFILE.format(name=name, password=password, here=HERE, server=server, transport=transport)
        (home / ".twinkle" / f"{name}.cfg").write_text(profile)
        self.output = home / "output"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                ["twinkle-console", f"{name}.cfg"],
                env={"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                text=True,
            )

    def says(self, words: str) -> bool:
        """True when the screen has shown these words."""
        return words in self.output.read_text()

    def command(self, line: str) -> None:
        """Type one line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def quit(self) -> None:
        """Un-register and end."""
        self.command("quit")
        self.process.wait(30)

    def kill(self) -> None:
        """End without a word to the server."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
