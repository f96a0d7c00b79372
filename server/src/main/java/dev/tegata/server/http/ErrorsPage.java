// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

import dev.tegata.platform.ErrorCode;

/// The reference of all error codes, made from the codes themselves; every listener serves it at `/docs/errors`, where
/// the `type` of a problem document points.
final class ErrorsPage {
    private ErrorsPage() {}

    static String text() {
        StringBuilder page = new StringBuilder("""
                # Errors

                Every error is a problem document (RFC 9457, `application/problem+json`). Programs key on `code`; `title` is
                the same each time; `detail` says what is wrong with this request; `next` says what to do; `requestId`
                finds the request in the log. This page is made from the code: do not edit it.

                """);
        for (ErrorCode code : ErrorCode.values()) {
            page.append("## ").append(code.code()).append("\n\n");
            page.append("Number ")
                    .append(code.number())
                    .append(", HTTP status ")
                    .append(code.httpStatus());
            page.append(". ")
                    .append(code.title())
                    .append(' ')
                    .append(code.next())
                    .append("\n\n");
        }
        return page.toString().stripTrailing() + "\n";
    }
}
