// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/// Reads a bundle of PEM blocks: each certificate, or public key, is a device.
final class PemManifestReader implements ManifestReader {
    private static final int MAX_BLOCK = 64 << 10;
    private static final int MAX_LINE = 4 << 10;
    private static final String BEGIN = "-----BEGIN ";
    private static final String END = "-----END ";

    @Override
    public void read(InputStream in, Sink sink) throws IOException, InterruptedException {
        sink.format(ManifestFormat.PEM);
        // ISO 8859-1 takes any byte: what is not PEM is only skipped.
        BufferedReader reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.ISO_8859_1), 64 << 10);
        StringBuilder block = new StringBuilder();
        boolean inBlock = false;
        boolean tooLarge = false;
        long position = 0;
        StringBuilder line = new StringBuilder();
        while (readLine(reader, line)) {
            if (startsWith(line, BEGIN)) {
                if (inBlock) {
                    sink.element(new RawElement.Unreadable(IssueReason.MALFORMED, "the PEM block has no end"));
                    position++;
                }
                inBlock = true;
                tooLarge = false;
                block.setLength(0);
            }
            if (!inBlock) {
                continue;
            }
            tooLarge |= block.length() + line.length() > MAX_BLOCK;
            if (!tooLarge) {
                block.append(line).append('\n');
            }
            if (startsWith(line, END)) {
                sink.element(
                        tooLarge
                                ? new RawElement.Unreadable(
                                        IssueReason.TOO_LARGE, "the PEM block is larger than 64 KiB")
                                : element(block.toString()));
                inBlock = false;
                position++;
            }
        }
        if (inBlock) {
            throw new BrokenManifestException("the file ends inside element " + position);
        }
    }

    private static RawElement element(String block) {
        if (block.startsWith("-----BEGIN CERTIFICATE-----")) {
            return new RawElement.Listed(Chip.OTHER, null, "", null, block, null);
        }
        if (block.startsWith("-----BEGIN PUBLIC KEY-----")) {
            return new RawElement.Listed(Chip.OTHER, null, "", null, null, block);
        }
        if (block.substring(0, block.indexOf('\n')).contains("PRIVATE KEY")) {
            return new RawElement.Unreadable(
                    IssueReason.MALFORMED, "this is a private key: it was not read, and has no place in a manifest");
        }
        return new RawElement.Unreadable(IssueReason.MALFORMED, "the PEM block is neither CERTIFICATE nor PUBLIC KEY");
    }

    /// Reads a line without its end; what is longer than a line of PEM can be is cut. False at the end of the input.
    private static boolean readLine(BufferedReader reader, StringBuilder line) throws IOException {
        line.setLength(0);
        int c = reader.read();
        if (c < 0) {
            return false;
        }
        while (c >= 0 && c != '\n') {
            if (c != '\r' && line.length() < MAX_LINE) {
                line.append((char) c);
            }
            c = reader.read();
        }
        return true;
    }

    private static boolean startsWith(StringBuilder line, String prefix) {
        return line.length() >= prefix.length() && prefix.contentEquals(line.subSequence(0, prefix.length()));
    }
}
