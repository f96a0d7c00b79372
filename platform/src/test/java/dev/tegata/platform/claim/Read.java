// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;

/// A file read through to its end, or to where it breaks, without a database.
final class Read {
    final List<Element> elements = new ArrayList<>();
    final List<ManifestFormat> formats = new ArrayList<>();

    @Nullable
    String broken;

    static Read of(byte[] file, Trust trust, ImportOptions options) {
        return of(new ByteArrayInputStream(file), trust, options);
    }

    static Read of(String file, ImportOptions options) {
        return of(file.getBytes(StandardCharsets.UTF_8), Trust.BUILT_IN, options);
    }

    static Read of(InputStream file, Trust trust, ImportOptions options) {
        Read read = new Read();
        ElementReader elements = new ElementReader(trust, options);
        BufferedInputStream in = ManifestReaders.buffered(file);
        try {
            ManifestReader reader =
                    ManifestReaders.recognise(in).orElseThrow(() -> new BrokenManifestException("not recognised"));
            reader.read(in, new ManifestReader.Sink() {
                @Override
                public void format(ManifestFormat format) {
                    read.formats.add(format);
                }

                @Override
                public void element(RawElement element) {
                    read.elements.add(elements.read(read.elements.size(), element));
                }
            });
        } catch (IOException e) {
            read.broken = String.valueOf(e.getMessage());
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        return read;
    }

    List<Candidate> candidates() {
        return elements.stream()
                .filter(Element.Parsed.class::isInstance)
                .map(element -> ((Element.Parsed) element).candidate())
                .toList();
    }

    List<IssueReason> reasons() {
        return rejected().stream().map(Element.Rejected::reason).toList();
    }

    List<Element.Rejected> rejected() {
        return elements.stream()
                .filter(Element.Rejected.class::isInstance)
                .map(Element.Rejected.class::cast)
                .toList();
    }

    /// A file of the shared folder; the test is skipped where there is none.
    static Path shared(String name) {
        Path file = Path.of(System.getProperty("tegata.shared", "../shared"), "vectors", "manifest", name);
        Assumptions.assumeTrue(Files.exists(file), "the vendors' files are not here: " + file);
        return file;
    }
}
