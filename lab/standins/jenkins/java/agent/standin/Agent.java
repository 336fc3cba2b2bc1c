package standin;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The build agent of the Jenkins stand-in, in the place of Jenkins' slave.jar and agent.jar.
 *
 * <p>Started by the plugin's command line: <code>-jnlpUrl URL [-secret HEX] [-noReconnect]</code>. It asks the URL for
 * its name, the master for the inbound port, connects there and runs what it is told. The protocol is the stand-in's
 * own, see inbound.py.
 */
public final class Agent {
    private static final String PROTOCOL = "Protocol:Standin1-connect";
    private static final int RUN = 1;
    private static final int STOP = 2;
    private static final int LOG = 3;
    private static final int EXIT = 4;
    private static final int PING = 5;
    private static final int TIMEOUT_MS = 20_000;
    private static final int SILENCE_MS = 120_000;
    private static final int RETRY_MS = 10_000;
    private static final Pattern ARGUMENT = Pattern.compile("<argument>([^<]*)</argument>");

    private final String jnlpUrl;
    private final String secret;
    private final Map<Integer, Process> running = new ConcurrentHashMap<>();
    private DataOutputStream out;

    private Agent(String jnlpUrl, String secret) {
        this.jnlpUrl = jnlpUrl;
        this.secret = secret;
    }

    public static void main(String[] arguments) throws InterruptedException {
        Map<String, String> found = new HashMap<>();
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "-noReconnect":
                case "-headless":
                case "-noreconnect":
                    found.put(arguments[i].toLowerCase(), "");
                    break;
                case "-jnlpUrl":
                case "-secret":
                    if (i + 1 == arguments.length) {
                        fail("option " + arguments[i] + " needs a value");
                    }
                    found.put(arguments[i], arguments[++i]);
                    break;
                default:
                    fail("\"" + arguments[i] + "\" is not a valid option");
            }
        }
        if (!found.containsKey("-jnlpUrl")) {
            fail("option -jnlpUrl is missing");
        }
        Agent agent = new Agent(found.get("-jnlpUrl"), found.getOrDefault("-secret", ""));
        while (true) {
            try {
                agent.serve();
                say("Terminated");
            } catch (IOException problem) {
                say("Connection failed: " + problem);
            }
            agent.stopAll();
            if (found.containsKey("-noreconnect")) {
                System.exit(1);
            }
            Thread.sleep(RETRY_MS);
        }
    }

    private static void fail(String message) {
        System.err.println(message);
        System.err.println("Jenkins stand-in's agent: -jnlpUrl URL [-secret HEX] [-noReconnect] [-headless]");
        System.exit(255);
    }

    private static void say(String message) {
        System.err.println("INFO: " + message + " (Jenkins stand-in's agent)");
    }

    private void serve() throws IOException {
        Matcher name = ARGUMENT.matcher(get(jnlpUrl, null));
        if (!name.find()) {
            throw new IOException("no argument in " + jnlpUrl);
        }
        String root = jnlpUrl.substring(0, jnlpUrl.lastIndexOf("/computer/"));
        int port = Integer.parseInt(get(root + "/tcpSlaveAgentListener/", "X-Jenkins-JNLP-Port"));
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(new URL(root).getHost(), port), TIMEOUT_MS);
            socket.setSoTimeout(SILENCE_MS);
            socket.setTcpNoDelay(true);
            socket.setKeepAlive(true); // as Jenkins' Engine does by default
            DataInputStream in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
            synchronized (this) {
                out = new DataOutputStream(new BufferedOutputStream(socket.getOutputStream()));
                out.writeUTF(PROTOCOL);
                out.writeUTF(name.group(1));
                out.writeUTF(secret);
                out.writeUTF(Paths.get("").toAbsolutePath().toString());
                out.flush();
            }
            String answer = in.readUTF();
            if (!answer.equals("Welcome")) {
                throw new IOException("the master says: " + answer);
            }
            say("Connected as " + name.group(1));
            listen(in);
        }
    }

    private static String get(String url, String header) throws IOException {
        HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
        connection.setConnectTimeout(TIMEOUT_MS);
        connection.setReadTimeout(TIMEOUT_MS);
        if (connection.getResponseCode() != HttpURLConnection.HTTP_OK) {
            throw new IOException(url + " answered " + connection.getResponseCode());
        }
        if (header == null) {
            try (InputStream body = connection.getInputStream()) {
                return new String(body.readAllBytes(), StandardCharsets.UTF_8);
            }
        }
        String value = connection.getHeaderField(header);
        if (value == null) {
            throw new IOException(url + " has no " + header);
        }
        return value;
    }

    private void listen(DataInputStream in) throws IOException {
        while (true) {
            int kind;
            try {
                kind = in.readUnsignedByte();
            } catch (EOFException end) {
                return;
            }
            int number = in.readInt();
            if (kind == RUN) {
                String directory = in.readUTF();
                Map<String, String> environment = new HashMap<>();
                for (int left = in.readInt(); left > 0; left--) {
                    environment.put(in.readUTF(), in.readUTF());
                }
                byte[] script = new byte[in.readInt()];
                in.readFully(script);
                Thread thread = new Thread(() -> run(number, directory, environment, script));
                thread.setDaemon(true);
                thread.start();
            } else if (kind == STOP) {
                stop(running.get(number));
            } else if (kind == PING) {
                send(PING, number, new byte[0]);
            } else {
                throw new IOException("unknown message " + kind);
            }
        }
    }

    private void run(int number, String directory, Map<String, String> environment, byte[] script) {
        int code = 1;
        Path file = null;
        try {
            Path workspace = Paths.get(directory).toAbsolutePath();
            Files.createDirectories(workspace);
            file = Files.createTempFile("jenkins", ".sh");
            Files.write(file, script);
            ProcessBuilder builder = new ProcessBuilder("/bin/sh", "-xe", file.toString());
            builder.directory(workspace.toFile()).redirectErrorStream(true);
            builder.environment().putAll(environment);
            builder.environment().put("WORKSPACE", workspace.toString());
            Process process = builder.start();
            running.put(number, process);
            process.getOutputStream().close();
            byte[] buffer = new byte[8192];
            try (InputStream output = process.getInputStream()) {
                for (int length; (length = output.read(buffer)) >= 0; ) {
                    byte[] chunk = new byte[length];
                    System.arraycopy(buffer, 0, chunk, 0, length);
                    send(LOG, number, chunk);
                }
            }
            code = process.waitFor();
        } catch (IOException problem) {
            say("step " + number + ": " + problem);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        } finally {
            running.remove(number);
            finish(number, code, file);
        }
    }

    private void finish(int number, int code, Path file) {
        try {
            if (file != null) {
                Files.deleteIfExists(file);
            }
            send(EXIT, number, Integer.toString(code).getBytes(StandardCharsets.US_ASCII));
        } catch (IOException problem) {
            say("step " + number + " ended with " + code + ", which cannot be told: " + problem);
        }
    }

    private synchronized void send(int kind, int number, byte[] content) throws IOException {
        out.writeByte(kind);
        out.writeInt(number);
        out.writeInt(content.length);
        out.write(content);
        out.flush();
    }

    private void stopAll() {
        running.values().forEach(Agent::stop);
    }

    private static void stop(Process process) {
        if (process != null) {
            process.descendants().forEach(ProcessHandle::destroy);
            process.destroy();
        }
    }
}
