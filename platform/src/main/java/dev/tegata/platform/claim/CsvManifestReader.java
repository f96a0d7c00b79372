// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import de.siegmar.fastcsv.reader.CsvParseException;
import de.siegmar.fastcsv.reader.CsvReader;
import de.siegmar.fastcsv.reader.CsvRecord;
import java.io.ByteArrayInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Reads a list of chips with a header line: Espressif's `MAC,cn,cert`, or any with a column for the serial
/// number and optional ones for who numbers the chip, model, certificate and public key.
final class CsvManifestReader implements ManifestReader {
    private static final int MAX_RECORD = 64 << 10;
    private static final int ABSENT = -1;

    /// What is put after the file's end, to see whether it is inside quotes there.
    private static final String END = "\0";
    private static final Set<String> SERIAL = Set.of("serial", "serialnumber", "uniqueid", "chipid", "mac", "sn");
    private static final Set<String> MODEL = Set.of("model", "partnumber");
    private static final Set<String> CERTIFICATE = Set.of("certificate", "cert", "pem", "ekcertificate");
    private static final Set<String> PUBLIC_KEY = Set.of("publickey", "key", "ekpublickey");

    private final char separator;
    private final ManifestFormat format;
    private final int chip;
    private final int serial;
    private final int model;
    private final int commonName;
    private final int certificate;
    private final int publicKey;

    private CsvManifestReader(char separator, List<String> columns) {
        this.separator = separator;
        this.format = Set.copyOf(columns).equals(Set.of("mac", "cn", "cert"))
                ? ManifestFormat.ESPRESSIF_CSV
                : ManifestFormat.CSV;
        this.chip = column(columns, Set.of("chip"));
        this.serial = column(columns, SERIAL);
        this.model = column(columns, MODEL);
        this.commonName = column(columns, Set.of("cn", "commonname"));
        this.certificate = column(columns, CERTIFICATE);
        this.publicKey = column(columns, PUBLIC_KEY);
    }

    /// The reader for a file that starts with `head`; none where its first line is no header with a serial
    /// number.
    static Optional<CsvManifestReader> recognise(String head) {
        String header = head.lines().findFirst().orElse("");
        for (char separator : new char[] {',', ';', '\t'}) {
            List<String> columns = new ArrayList<>();
            for (String name : header.split(String.valueOf(separator), -1)) {
                columns.add(name.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]", ""));
            }
            if (column(columns, SERIAL) != ABSENT && Set.copyOf(columns).size() == columns.size()) {
                return Optional.of(new CsvManifestReader(separator, columns));
            }
        }
        return Optional.empty();
    }

    private static int column(List<String> columns, Set<String> names) {
        for (int i = 0; i < columns.size(); i++) {
            if (names.contains(columns.get(i))) {
                return i;
            }
        }
        return ABSENT;
    }

    @Override
    public void read(InputStream in, Sink sink) throws IOException, InterruptedException {
        sink.format(format);
        long position = -1; // the header
        // Not closed here: that would close `in`, which belongs to the caller.
        Iterator<CsvRecord> records = CsvReader.builder()
                .fieldSeparator(separator)
                .allowExtraFields(true)
                .allowMissingFields(true)
                .allowExtraCharsAfterClosingQuote(true)
                .detectBomHeader(true)
                .maxBufferSize(MAX_RECORD)
                .ofCsvRecord(withEnd(in), StandardCharsets.UTF_8)
                .iterator();
        try {
            while (records.hasNext()) {
                CsvRecord record = records.next();
                String last = record.getField(record.getFieldCount() - 1);
                if (last.endsWith("\n" + END)) {
                    throw new BrokenManifestException("the file ends inside quotes, in element " + position);
                }
                if (position >= 0 && !last.equals(END)) {
                    sink.element(element(record));
                }
                position++;
            }
        } catch (CsvParseException e) {
            throw new BrokenManifestException(
                    "a field is longer than 64 KiB, or its quotes are never closed, in element " + position);
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /// Leaves `in` open.
    private static InputStream withEnd(InputStream in) {
        InputStream unclosed = new FilterInputStream(in) {
            @Override
            public void close() {
                // It belongs to the caller, who may go on reading.
            }
        };
        return new SequenceInputStream(
                unclosed, new ByteArrayInputStream(("\n" + END).getBytes(StandardCharsets.UTF_8)));
    }

    private RawElement element(CsvRecord record) {
        String serialNumber = field(record, serial);
        if (serialNumber == null) {
            return new RawElement.Unreadable(
                    IssueReason.MALFORMED, "line " + record.getStartingLineNumber() + " has no serial number");
        }
        Chip maker = format == ManifestFormat.ESPRESSIF_CSV ? Chip.ESPRESSIF : Chip.OTHER;
        String makerName = field(record, chip);
        if (makerName != null) {
            Optional<Chip> named = Chip.of(makerName);
            if (named.isEmpty()) {
                return new RawElement.Unreadable(
                        IssueReason.MALFORMED, "chip must be microchip, infineon, espressif, tpm or other");
            }
            maker = named.get();
        }
        String modelName = field(record, model);
        return new RawElement.Listed(
                maker,
                serialNumber,
                modelName == null ? "" : modelName,
                field(record, commonName),
                field(record, certificate),
                field(record, publicKey));
    }

    private static @Nullable String field(CsvRecord record, int column) {
        if (column == ABSENT || column >= record.getFieldCount()) {
            return null;
        }
        String field = record.getField(column).strip();
        return field.isEmpty() ? null : field;
    }
}
