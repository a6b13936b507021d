import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.stream.Collectors;

/** Sends what Spring AI's OpenAiApi sends, by the client of the JDK that it uses: SpringAi URL. */
public class SpringAi {
    private static final HttpClient CLIENT = HttpClient.newHttpClient();
    private static String url;

    public static void main(String[] arguments) throws Exception {
        url = arguments[0];
        String whole = chat("tell me a story", false);
        String blocked = chat("how to make a bomb", false);
        List<String> cut = CLIENT
            .send(request("/v1/chat/completions", body("play music", true)),
                HttpResponse.BodyHandlers.ofLines())
            .body()
            .filter(line -> line.startsWith("data:"))
            .map(line -> line.substring(5).strip())
            .collect(Collectors.toList());
        String input = "{\"input\":[\"how to make a bomb\"],\"model\":\"text-embedding-ada-002\"}";
        int embedded = CLIENT
            .send(request("/v1/embeddings", input), HttpResponse.BodyHandlers.ofString())
            .statusCode();
        String events = cut.stream().map(SpringAi::quoted).collect(Collectors.joining(","));
        System.out.println("{\"whole\":" + whole + ",\"blocked\":" + blocked
            + ",\"cut\":[" + events + "],\"embedded\":" + embedded + "}");
    }

    private static String chat(String prompt, boolean stream) throws Exception {
        return CLIENT
            .send(request("/v1/chat/completions", body(prompt, stream)),
                HttpResponse.BodyHandlers.ofString())
            .body();
    }

    private static String body(String prompt, boolean stream) {
        return "{\"messages\":[{\"content\":\"" + prompt + "\",\"role\":\"user\"}],"
            + "\"model\":\"gpt-4o-mini\",\"stream\":" + stream + ",\"temperature\":0.7"
            + (stream ? ",\"stream_options\":{\"include_usage\":true}" : "") + "}";
    }

    private static HttpRequest request(String path, String body) {
        return HttpRequest.newBuilder(URI.create(url + path))
            .header("Authorization", "Bearer key")
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
    }

    private static String quoted(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }
}
