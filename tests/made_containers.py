"""A short video in every container that ffmpeg writes, cut off in every way."""

import subprocess
from pathlib import Path

import av

MOVING = "testsrc2=size=160x112:rate=25:duration=1,noise=alls=4"
TONE = "sine=440:duration=1"
X264, MPEG2 = "-c:v libx264 -g 10", "-c:v mpeg2video -g 12 -bf 2"
X265 = "-c:v libx265 -x265-params log-level=0"
FRAGMENTS = "-movflags +frag_keyframe+empty_moov"
D10 = (
    "-s 720x576 -c:v mpeg2video -pix_fmt yuv422p -minrate 30000k -maxrate 30000k -b:v 30000k "
    "-intra_vlc 1 -flags +ildct+low_delay -f mxf_d10 -dc 10 -non_linear_quant 1 -qmin 1 -qmax 12 "
    "-rtbufsize 2M -bufsize 1200000 -ps 1 -rc_init_occupancy 1200000"
)
AMV = (
    "-c:v amv -pix_fmt yuvj420p -s 160x128 -ac 1 -ar 22050 -c:a adpcm_ima_amv -block_size 882 "
    "-strict -1 -vstrict -1 -f amv"
)

DECLARED = {
    "index first.mp4": f"{X264} -c:a aac -movflags +faststart",
    "index last.mp4": f"{X264} -an",
    "hevc.mp4": f"{X265} -an -movflags +faststart",
    "a.mov": "-c:v mjpeg -an -movflags +faststart",
    "a.3gp": "-c:v h263 -s 176x144 -an -movflags +faststart",
    "indexed fragments.mp4": f"{X264} -an {FRAGMENTS}+default_base_moof+global_sidx",
    "h264.mkv": f"{X264} -c:a aac",
    "ffv1.mkv": "-c:v ffv1 -frames:v 10 -an",
    "a.webm": "-c:v libvpx -g 10 -an",
    "mpeg4.avi": "-c:v mpeg4 -c:a mp3",
    "raw.avi": "-c:v rawvideo -frames:v 20 -an",
    "flv1.flv": "-c:v flv1 -c:a mp3 -ar 44100",
    "h264.flv": f"{X264} -an",
    "a.wmv": "-c:v wmv2 -c:a wmav2",
    "a.asf": "-c:v msmpeg4 -an",
    "a.ogv": "-c:v libtheora -g 10 -c:a libvorbis",
    "vp8.ogv": "-c:v libvpx -f ogg -an",
    "mpeg2.mxf": f"{MPEG2} -c:a pcm_s16le -ar 48000",
    "d10.mxf": f"{D10} -frames:v 20 -an",
    "a.rm": "-c:v rv10 -an",
    "a.gxf": "-c:v mpeg2video -s 720x576 -an -f gxf",
    "a.gif": "-an",
    "a.apng": "-frames:v 20 -f apng -an",
    "a.webp": "-c:v libwebp_anim -an",
    "a.amv": AMV,
}
"""Containers that declare where they end, and how to make one: every cut shows."""

IN_PARTS = {
    "fragments.mp4": f"{X264} -an {FRAGMENTS}",
    "live.mkv": f"{X264} -an -live 1 -cluster_time_limit 400",
    "h264.ts": f"{X264} -an",
    "hevc.ts": f"{X265} -an",
    "a.m2ts": f"{X264} -f mpegts -mpegts_m2ts_mode 1 -an",
    "a.mpg": f"{MPEG2} -c:a mp2",
    "a.vob": f"{MPEG2} -f vob -an",
    "ntsc.dv": "-target ntsc-dv -frames:v 12 -an",
    "pal.dv": "-target pal-dv -frames:v 12 -an",
    "pal50.dv": "-s 720x576 -c:v dvvideo -pix_fmt yuv422p -frames:v 12 -an",
    "a.y4m": "-frames:v 12 -an",
    "mono.y4m": "-pix_fmt gray10le -strict -1 -frames:v 12 -an",
    "a.ivf": "-c:v libvpx -an",
    "a.nut": "-c:v mpeg4 -an",
    "a.roq": "-c:v roqvideo -r 30 -an",
    "a.mjpeg": "-c:v mjpeg -an",
    "a.drc": "-c:v vc2 -pix_fmt yuv420p -frames:v 20 -f dirac -an",
    "a.obu": "-c:v libaom-av1 -cpu-used 8 -f obu -frames:v 20 -an",
}
"""Containers that may end behind any of their parts: a cut within one shows."""

OPEN = {
    "a.h264": f"{X264} -an",
    "a.hevc": f"{X265} -an",
    "a.m1v": "-c:v mpeg1video -g 12 -an",
    "a.m2v": f"{MPEG2} -an",
    "a.m4v": "-c:v mpeg4 -f m4v -an",
    "a.h261": "-c:v h261 -s 176x144 -an",
    "a.h263": "-c:v h263 -s 176x144 -an",
}
"""Bare streams that say nothing of their end."""

STREAMED = {
    "a.mp4": f"{X264} -an {FRAGMENTS} -f mp4",
    "a.mkv": f"{X264} -an -f matroska",
    "a.webm": "-c:v libvpx -an -f webm",
    "a.avi": "-c:v mpeg4 -an -f avi",
    "a.flv": "-c:v flv1 -an -f flv",
    "a.wmv": "-c:v wmv2 -an -f asf",
    "a.ogv": "-c:v libtheora -an -f ogg",
    "a.mxf": f"{MPEG2} -an -f mxf",
    "a.nut": "-c:v mpeg4 -an -f nut",
    "a.rm": "-c:v rv10 -an -f rm",
    "a.ts": f"{X264} -an -f mpegts",
    "a.mpg": f"{MPEG2} -an -f mpeg",
    "a.ivf": "-c:v libvpx -an -f ivf",
    "a.gif": "-an -f gif",
    "a.apng": "-frames:v 20 -an -f apng",
}
"""What a writer can make that cannot go back to the header: sizes in it stay open."""


def container(ffmpeg: str, path: Path, options: str) -> bytes:
    """Make a file by one of the recipes above."""
    _made(ffmpeg, options, f"file:{path}")
    return path.read_bytes()


def streamed(ffmpeg: str, path: Path, options: str) -> bytes:
    """Make a file whose writer could not go back in it."""
    path.write_bytes(_made(ffmpeg, options, "pipe:1"))
    return path.read_bytes()


def _made(ffmpeg: str, options: str, target: str) -> bytes:
    sources = ("-f", "lavfi", "-i", MOVING, "-f", "lavfi", "-i", TONE)
    command = [ffmpeg, "-v", "error", "-y", *sources, *options.split(), target]
    return subprocess.run(command, check=True, capture_output=True).stdout


def cuts(path: Path) -> list[int]:
    """Return where to cut a file: anywhere, near its end, and before and within packets."""
    size = path.stat().st_size
    starts = [start for start, _ in _packets(path)]
    at_packets = [starts[len(starts) // 2], starts[-1], starts[-1] + 3] if len(starts) > 2 else []
    anywhere = [size * percent // 100 for percent in (10, 25, 50, 75, 90, 99)]
    return sorted({*anywhere, size - 16, *at_packets} - {0})


def cuts_within_packets(path: Path) -> list[int]:
    """Return odd places in the middle of packets: not between two parts of an even size."""
    whole_bytes = path.stat().st_size
    middles = [start + size * 2 // 5 | 1 for start, size in _packets(path) if size > 100]
    inside = [place for place in middles if place < whole_bytes]
    return [inside[len(inside) * percent // 100] for percent in (25, 50, 75, 95)]


def _packets(path: Path) -> list[tuple[int, int]]:
    """Return where each packet of the video begins, and its size."""
    with av.open(str(path)) as media:
        return [(packet.pos, packet.size) for packet in media.demux(video=0) if packet.pos]
