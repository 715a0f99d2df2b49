import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The Java client for the codecs: `write BROKERS TOPIC CODEC COUNT`, or `read BROKERS TOPIC COUNT`, which prints the values. */
public class CodecClient {
  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", args[1]);
    if (args[0].equals("write")) {
      settings.put("compression.type", args[3]);
      settings.put("linger.ms", "200");
      settings.put("batch.size", "200000");
      try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
        for (int n = 0; n < Integer.parseInt(args[4]); n++) {
          var record = new ProducerRecord<>(args[2], 0, "key-" + n, args[3] + " value " + n + " ü".repeat(200));
          record.headers().add("trace", ("t" + n).getBytes(StandardCharsets.UTF_8));
          producer.send(record);
        }
      }
      return;
    }
    try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
      var partition = new TopicPartition(args[2], 0);
      consumer.assign(List.of(partition));
      consumer.seekToBeginning(List.of(partition));
      int left = Integer.parseInt(args[3]);
      StringBuilder text = new StringBuilder();
      while (left > 0) {
        for (var record : consumer.poll(Duration.ofMillis(200))) {
          text.append(record.value()).append('\n');
          left--;
        }
      }
      System.out.print(text);
    }
  }
}
