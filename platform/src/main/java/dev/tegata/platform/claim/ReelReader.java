// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.commons.compress.archivers.sevenz.SevenZArchiveEntry;
import org.apache.commons.compress.archivers.sevenz.SevenZFile;

/// Reads an Infineon OPTIGA reel: a 7z archive of 7z archives, of which the one with the certificates of data object
/// E0E0 counts. That inner archive alone is understood too.
///
/// Nothing else in it is opened: above all not the archive of secrets, whose name ends in `_keys.7z`.
///
/// 7z has its directory at the end, so that the file is spooled to disk first. Archives are taken apart one after
/// the other, and by one thread of the process at a time: each may need a dictionary of [#MAX_DICTIONARY_KIB].
final class ReelReader implements ManifestReader {
    private static final long MAX_ARCHIVE = 2L << 30;
    private static final long MAX_CONTENT = 4L << 30;
    private static final int MAX_RATIO = 100;
    private static final long RATIO_COUNTS_FROM = 32L << 20;
    private static final int MAX_ENTRIES = 2_000_000;
    private static final int MAX_CERTIFICATE = 16 << 10;
    private static final int MAX_DICTIONARY_KIB = 96 << 10;
    private static final Semaphore DECODERS = new Semaphore(1);

    private static final Pattern CERTIFICATES = Pattern.compile("(?i)(?:.*/)?[^/]*_E0E0_Certs\\.7z");
    private static final Pattern CERTIFICATE = Pattern.compile("(?i)(?:.*/)?([0-9a-f]{8,64})_E0E0\\.pem");

    @Override
    public void read(InputStream in, Sink sink) throws IOException, InterruptedException {
        sink.format(ManifestFormat.INFINEON_REEL);
        Path folder = Files.createTempDirectory("tegata-reel");
        try {
            Path reel = folder.resolve("reel.7z");
            copy(in, reel, MAX_ARCHIVE);
            DECODERS.acquire();
            try {
                if (!readArchives(reel, folder, sink)) {
                    throw new BrokenManifestException("the archive has no birth certificates (*_E0E0_Certs.7z)");
                }
            } catch (RuntimeException e) {
                // What the library throws at archives that contradict themselves.
                throw new BrokenManifestException("the archive is damaged");
            } finally {
                DECODERS.release();
            }
        } finally {
            delete(folder);
        }
    }

    private static boolean readArchives(Path reel, Path folder, Sink sink) throws IOException, InterruptedException {
        List<Path> inner = new ArrayList<>();
        boolean found = readArchive(reel, folder, inner, sink);
        for (Path archive : inner) {
            // What an inner archive holds in archives of its own is not looked for.
            found |= readArchive(archive, folder, new ArrayList<>(), sink);
            Files.delete(archive);
        }
        return found;
    }

    /// Hands over the certificates that stand in `archive` itself, and unpacks those archives in it that hold some.
    private static boolean readArchive(Path archive, Path folder, List<Path> inner, Sink sink)
            throws IOException, InterruptedException {
        boolean found = false;
        try (SevenZFile sevenZ = SevenZFile.builder()
                .setPath(archive)
                .setMaxMemoryLimitKiB(MAX_DICTIONARY_KIB)
                .get()) {
            check(sevenZ.getEntries(), Files.size(archive));
            for (SevenZArchiveEntry entry = sevenZ.getNextEntry(); entry != null; entry = sevenZ.getNextEntry()) {
                if (entry.isDirectory()) {
                    continue;
                }
                Matcher certificate = CERTIFICATE.matcher(entry.getName());
                if (certificate.matches()) {
                    sink.element(element(certificate.group(1), sevenZ.getInputStream(entry)));
                    found = true;
                } else if (CERTIFICATES.matcher(entry.getName()).matches()) {
                    Path unpacked = folder.resolve("inner-" + inner.size() + ".7z");
                    copy(sevenZ.getInputStream(entry), unpacked, MAX_ARCHIVE);
                    inner.add(unpacked);
                }
            }
        }
        return found;
    }

    /// The directory tells every size beforehand, and the decoder stops there: what is refused here is never unpacked.
    private static void check(Iterable<SevenZArchiveEntry> entries, long archiveSize) throws IOException {
        int count = 0;
        long content = 0;
        for (SevenZArchiveEntry entry : entries) {
            EntryNames.check(entry.getName());
            count++;
            content += entry.getSize();
            if (count > MAX_ENTRIES || entry.getSize() < 0 || content < 0 || content > MAX_CONTENT) {
                throw new BrokenManifestException("the archive holds more than is accepted");
            }
        }
        if (content > RATIO_COUNTS_FROM && content / MAX_RATIO > archiveSize) {
            throw new BrokenManifestException(
                    "the archive unpacks to more than " + MAX_RATIO + " times its size: not accepted");
        }
    }

    private static RawElement element(String chipId, InputStream in) throws IOException {
        byte[] pem = in.readNBytes(MAX_CERTIFICATE + 1);
        if (pem.length > MAX_CERTIFICATE) {
            return new RawElement.Unreadable(
                    IssueReason.TOO_LARGE, "the certificate of chip " + chipId + " is larger than 16 KiB");
        }
        String text = new String(pem, StandardCharsets.ISO_8859_1);
        return new RawElement.Listed(Chip.INFINEON, chipId, "", null, text, null);
    }

    private static void copy(InputStream in, Path file, long limit) throws IOException {
        byte[] buffer = new byte[64 << 10];
        long total = 0;
        try (OutputStream out = Files.newOutputStream(file)) {
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                total += read;
                if (total > limit) {
                    throw new BrokenManifestException("the archive is larger than " + (limit >> 30) + " GiB");
                }
                out.write(buffer, 0, read);
            }
        }
    }

    private static void delete(Path folder) throws IOException {
        File[] files = folder.toFile().listFiles();
        if (files != null) {
            for (File file : files) {
                Files.deleteIfExists(file.toPath());
            }
        }
        Files.deleteIfExists(folder);
    }
}
