// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.der;

import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/// The textual form of DER (RFC 7468): base64 between `-----BEGIN label-----` and `-----END label-----`.
///
/// Lenient about the text around the blocks, strict inside them.
public final class Pem {
    public static final String CERTIFICATE = "CERTIFICATE";
    public static final String CERTIFICATE_REQUEST = "CERTIFICATE REQUEST";
    public static final String PRIVATE_KEY = "PRIVATE KEY";
    public static final String PUBLIC_KEY = "PUBLIC KEY";

    private static final int MAX_TEXT = 4 << 20;
    private static final int MAX_BLOCKS = 1000;
    private static final String BEGIN = "-----BEGIN ";
    private static final String END = "-----END ";
    private static final String DASHES = "-----";

    private Pem() {}

    /// One block of `text`.
    public record Block(String label, Bytes content) {}

    /// Writes one block, with lines of 64 characters and a line feed at the end.
    public static String encode(String label, Bytes content) {
        Base64.Encoder encoder = Base64.getMimeEncoder(64, new byte[] {'\n'});
        String body = new String(encoder.encode(content.toArray()), StandardCharsets.US_ASCII);
        return BEGIN + label + DASHES + "\n" + body + "\n" + END + label + DASHES + "\n";
    }

    /// All blocks of `text`, in their order; none where the text has none.
    public static List<Block> blocks(String text) throws EncodingException {
        if (text.length() > MAX_TEXT) {
            throw new EncodingException("the text is longer than " + MAX_TEXT + " characters");
        }
        List<Block> blocks = new ArrayList<>();
        int at = text.indexOf(BEGIN);
        while (at >= 0) {
            if (blocks.size() == MAX_BLOCKS) {
                throw new EncodingException("the text has more than " + MAX_BLOCKS + " PEM blocks");
            }
            int labelEnd = text.indexOf(DASHES, at + BEGIN.length());
            String label = labelEnd < 0 ? "" : text.substring(at + BEGIN.length(), labelEnd);
            if (!label.matches("[A-Z0-9 ]{1,64}")) {
                throw new EncodingException("a PEM block starts without a proper label");
            }
            String footer = END + label + DASHES;
            int bodyStart = labelEnd + DASHES.length();
            int bodyEnd = text.indexOf(DASHES, bodyStart);
            if (bodyEnd < 0 || !text.startsWith(footer, bodyEnd)) {
                throw new EncodingException("the PEM block '" + label + "' has no '" + footer + "'");
            }
            blocks.add(new Block(label, body(label, text, bodyStart, bodyEnd)));
            at = text.indexOf(BEGIN, bodyEnd + footer.length());
        }
        return List.copyOf(blocks);
    }

    /// The contents of the blocks of `text` that have this label; an error where there is none.
    public static List<Bytes> contents(String text, String label) throws EncodingException {
        List<Bytes> contents = blocks(text).stream()
                .filter(block -> block.label().equals(label))
                .map(Block::content)
                .toList();
        if (contents.isEmpty()) {
            throw new EncodingException("the text has no PEM block '" + label + "'");
        }
        return contents;
    }

    private static Bytes body(String label, String text, int from, int to) throws EncodingException {
        StringBuilder base64 = new StringBuilder(to - from);
        for (int i = from; i < to; i++) {
            char c = text.charAt(i);
            if (c != '\n' && c != '\r' && c != ' ' && c != '\t') {
                base64.append(c);
            }
        }
        try {
            Bytes content = Bytes.ofBase64(base64.toString());
            // The decoder forgives missing padding and stray bits.
            if (content.isEmpty() || !content.base64().contentEquals(base64)) {
                throw new EncodingException("the PEM block '" + label + "' is empty, or cut off");
            }
            return content;
        } catch (IllegalArgumentException e) {
            throw new EncodingException("the PEM block '" + label + "' is not base64");
        }
    }
}
