// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.platform.UnavailableException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One run through one file.
///
/// ```text
/// a thread of its own      splits the file into batches of raw elements
///        │  hands each to
/// WORKERS threads          look into the elements: this is where the CPU time goes
///        │  in the order of the file, through a queue that holds WORKERS + 2 batches at most
/// the caller's thread      stores them, a few batches in each transaction
/// ```
///
/// Whoever is slowest makes the others wait, so that memory is bounded by the size of a few batches.
final class ManifestImport {
    static final int WORKERS = Math.max(2, Runtime.getRuntime().availableProcessors());

    private static final Logger LOG = LoggerFactory.getLogger(ManifestImport.class);
    private static final int BATCH_ELEMENTS = 1000;
    private static final int BATCH_SIZE = 1 << 20;

    /// How many batches are stored in one transaction where they come fast: neighbours in an index are then met
    /// together.
    private static final int STORED_TOGETHER = 4;

    /// How long elements that were read wait for more of them.
    private static final Duration PATIENCE = Duration.ofSeconds(1);

    /// How often the row is touched while no batch comes: a slow upload is not a dead one.
    private static final Duration HEARTBEAT = Duration.ofSeconds(15);

    private final ExecutorService workers;
    private final ClaimWriter writer;
    private final ElementReader elements;
    private final Consumer<ManifestReport> progress;
    private final BlockingQueue<Item> queue = new ArrayBlockingQueue<>(WORKERS + 2);

    ManifestImport(
            ExecutorService workers, ClaimWriter writer, ElementReader elements, Consumer<ManifestReport> progress) {
        this.workers = workers;
        this.writer = writer;
        this.elements = elements;
        this.progress = progress;
    }

    /// How the run ended.
    ///
    /// @param failure what went wrong, for a person; null where nothing did
    /// @param readToEnd whether all of the file has been read
    record End(@Nullable String failure, boolean readToEnd) {}

    /// What goes from the splitting thread to the storing one.
    private sealed interface Item {
        record Batch(ManifestFormat format, Future<List<Element>> elements) implements Item {}

        record Last(End end) implements Item {}
    }

    /// Reads `content` through `reader` and claims what is in it.
    ///
    /// @throws UnavailableException where the database or this node went away; what was stored before stays
    End run(ManifestReader reader, InputStream content) {
        Thread splitter = Thread.ofPlatform().daemon().name("manifest-reader").start(() -> split(reader, content));
        try {
            return store();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UnavailableException("the import was interrupted", e);
        } finally {
            splitter.interrupt();
        }
    }

    private End store() throws InterruptedException {
        ManifestFormat format = ManifestFormat.MICROCHIP_JSON;
        List<Element> waiting = new ArrayList<>();
        int batches = 0;
        while (true) {
            Item item = queue.poll((batches == 0 ? HEARTBEAT : PATIENCE).toMillis(), TimeUnit.MILLISECONDS);
            if (item instanceof Item.Batch batch) {
                format = batches == 0 ? batch.format() : format;
                waiting.addAll(result(batch.elements()));
                if (++batches < STORED_TOGETHER) {
                    continue;
                }
            }
            boolean goesOn = batches == 0 ? item != null || writer.touch() : isStored(format, waiting);
            if (!goesOn) {
                return new End(null, false);
            }
            if (item instanceof Item.Last(End end)) {
                return end;
            }
            waiting = new ArrayList<>();
            batches = 0;
        }
    }

    /// Whether elements could be stored: not where the import has been ended meanwhile.
    private boolean isStored(ManifestFormat format, List<Element> elements) {
        ManifestReport report = writer.write(format, elements);
        if (report.state() != ManifestReport.State.RUNNING) {
            return false;
        }
        progress.accept(report);
        return true;
    }

    private static List<Element> result(Future<List<Element>> future) throws InterruptedException {
        try {
            return future.get();
        } catch (CancellationException e) {
            throw new UnavailableException("the server is being stopped", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException("an element could not be looked into", e.getCause());
        }
    }

    private void split(ManifestReader reader, InputStream content) {
        Batches batches = new Batches();
        End end;
        try {
            try {
                end = read(reader, content, batches);
                batches.flush();
            } catch (RejectedExecutionException e) {
                end = new End("the server was stopped", false);
            }
            queue.put(new Item.Last(end));
        } catch (InterruptedException e) {
            // The storing side has ended already: nobody waits for the rest.
        }
    }

    private static End read(ManifestReader reader, InputStream content, Batches batches) throws InterruptedException {
        try {
            reader.read(content, batches);
            content.transferTo(OutputStream.nullOutputStream()); // for the digest: what follows an archive's entries
            return new End(null, true);
        } catch (BrokenManifestException | UploadStream.BrokenOffException e) {
            return new End(e.getMessage(), false);
        } catch (IOException e) {
            return new End("the file is damaged: it cannot be unpacked", false);
        } catch (RejectedExecutionException e) {
            throw e;
        } catch (RuntimeException e) {
            LOG.error("a manifest could not be read", e);
            return new End("the file could not be read: this is a fault of Tegata", false);
        }
    }

    /// Collects raw elements, and hands them to the workers by the batch.
    private final class Batches implements ManifestReader.Sink {
        private ManifestFormat format = ManifestFormat.MICROCHIP_JSON;
        private List<RawElement> raw = new ArrayList<>();
        private int size;
        private long position;

        @Override
        public void format(ManifestFormat next) {
            format = next;
        }

        @Override
        public void element(RawElement element) throws InterruptedException {
            raw.add(element);
            size += element.size();
            if (raw.size() == BATCH_ELEMENTS || size >= BATCH_SIZE) {
                flush();
            }
        }

        void flush() throws InterruptedException {
            if (raw.isEmpty()) {
                return;
            }
            List<RawElement> batch = raw;
            long from = position;
            queue.put(new Item.Batch(format, workers.submit(() -> read(batch, from))));
            position += batch.size();
            raw = new ArrayList<>();
            size = 0;
        }
    }

    private List<Element> read(List<RawElement> batch, long from) {
        List<Element> read = new ArrayList<>(batch.size());
        for (int i = 0; i < batch.size(); i++) {
            read.add(elements.read(from + i, batch.get(i)));
        }
        return read;
    }
}
