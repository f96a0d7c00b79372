// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.custody;

import dev.tegata.attestation.MalformedException;
import dev.tegata.platform.custody.CustodyVerification.Broken;
import dev.tegata.platform.custody.CustodyVerification.Intact;
import dev.tegata.platform.store.Json;
import java.io.IOException;
import java.io.InputStream;
import tools.jackson.core.JacksonException;

/// Checks an export of a custody chain. Needs the file and nothing else: no server, no key.
public final class CustodyVerifier {
    private static final int MAX_SIZE = 16 << 20;

    private CustodyVerifier() {}

    /// Reads `in` to its end.
    ///
    /// @throws IOException where it cannot be read; whatever it holds is an answer
    public static CustodyVerification verify(InputStream in) throws IOException {
        byte[] content = in.readNBytes(MAX_SIZE + 1);
        if (content.length > MAX_SIZE) {
            return new Broken(0, "the file is larger than a custody chain can be");
        }
        CustodyExport.Document document;
        try {
            document = Json.mapper().readValue(content, CustodyExport.Document.class);
        } catch (JacksonException e) {
            return new Broken(0, "the file is not the JSON of a custody export");
        }
        return verify(document);
    }

    @SuppressWarnings({"ConstantValue", "RedundantNullCheck"}) // JSON may leave out what the record says is there.
    private static CustodyVerification verify(CustodyExport.Document document) {
        if (document == null
                || !CustodyExport.FORMAT.equals(document.format())
                || document.device() == null
                || document.entries() == null
                || document.seal() == null) {
            return new Broken(0, "the file is not a custody export of a format that is known here");
        }
        if (document.entries().isEmpty() || document.entries().contains(null)) {
            return new Broken(0, "the file holds no entries");
        }
        CustodyChain chain;
        try {
            chain = CustodyChain.of(document.entries());
        } catch (CustodyChain.BrokenException e) {
            return new Broken(e.sequence(), e.reason());
        }
        if (!chain.device().toString().equals(document.device())) {
            return new Broken(0, "the file names another device than its entries");
        }
        try {
            CustodyExport.Seal seal = CustodyExport.open(document.seal(), chain);
            boolean byOwner = chain.last().kind() != CustodyKind.HANDED_OVER
                    && seal.by().equals(chain.last().owner());
            return new Intact(
                    chain.device(),
                    chain.entries().stream().map(CustodyStep::of).toList(),
                    seal.by().tenant(),
                    seal.at(),
                    byOwner);
        } catch (MalformedException e) {
            return new Broken(chain.size(), String.valueOf(e.getMessage()));
        }
    }
}
