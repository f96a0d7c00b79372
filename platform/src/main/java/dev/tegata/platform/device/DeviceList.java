// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.device;

import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.Texts;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/// Reads lists of devices from CSV files: UTF-8, a header line, and in it a column `id`, `device` or
/// `serial`. The other columns are for people. What listings and spreadsheets export is understood;
/// quoted cells hold no line breaks.
public final class DeviceList {
    private static final List<String> COLUMNS = List.of("id", "device", "serial");

    private DeviceList() {}

    /// The ids or serial numbers in a file, in its order.
    ///
    /// @throws RefusedException that names the line, where it is no such file
    public static List<String> ofCsv(byte[] file) {
        String[] lines = text(file).split("\r\n|\n|\r", -1);
        List<String> header = cells(lines[0], 1).stream()
                .map(cell -> cell.strip().toLowerCase(Locale.ROOT))
                .toList();
        int column = COLUMNS.stream()
                .filter(header::contains)
                .mapToInt(header::indexOf)
                .findFirst()
                .orElseThrow(() ->
                        refused(1, "has no column 'id', 'device' or 'serial', but '" + Texts.quoted(lines[0]) + "'"));
        List<String> names = new ArrayList<>();
        for (int i = 1; i < lines.length; i++) {
            if (lines[i].isBlank()) {
                continue;
            }
            List<String> cells = cells(lines[i], i + 1);
            if (cells.size() <= column || cells.get(column).isBlank()) {
                throw refused(i + 1, "has no " + header.get(column));
            }
            names.add(cells.get(column).strip());
            if (names.size() > BulkChanges.LONGEST_LIST) {
                throw refused(i + 1, "is one too many: at most " + BulkChanges.LONGEST_LIST + " devices");
            }
        }
        return names;
    }

    private static String text(byte[] file) {
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(file))
                    .toString();
            return text.startsWith("\ufeff") ? text.substring(1) : text;
        } catch (CharacterCodingException e) {
            throw new RefusedException(ErrorCode.MALFORMED_REQUEST, "the CSV file is not in UTF-8");
        }
    }

    /// RFC 4180 §2 within one line.
    private static List<String> cells(String line, int number) {
        if (line.indexOf('"') < 0) {
            return Arrays.asList(line.split(",", -1));
        }
        List<String> cells = new ArrayList<>();
        StringBuilder cell = new StringBuilder();
        boolean quoted = false;
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            if (c == '"' && quoted && i + 1 < line.length() && line.charAt(i + 1) == '"') {
                cell.append('"');
                i++;
            } else if (c == '"') {
                quoted = !quoted;
            } else if (c == ',' && !quoted) {
                cells.add(cell.toString());
                cell.setLength(0);
            } else {
                cell.append(c);
            }
        }
        if (quoted) {
            throw refused(number, "has a quote that does not end");
        }
        cells.add(cell.toString());
        return cells;
    }

    private static RefusedException refused(int line, String problem) {
        return new RefusedException(ErrorCode.MALFORMED_REQUEST, "line " + line + " of the CSV file " + problem);
    }
}
