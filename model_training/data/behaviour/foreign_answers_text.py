"""Answers in other languages that fit any request: refusals, and beginnings that comply.

They name no topic, so that only the prompt tells whether complying does harm. Italian and Thai are
absent, as in `foreign_text.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from model_training.data.behaviour.grammar import lines


@dataclass(frozen=True)
class ForeignAnswers:
    """Whole answers to any request."""

    refusing: tuple[str, ...]
    complying: tuple[str, ...]


FOREIGN_ANSWERS: Final[Mapping[str, ForeignAnswers]] = {
    "ar": ForeignAnswers(
        lines("""
            عذرًا، لا أستطيع تلبية هذا الطلب.
            لن أساعدك في ذلك، فقد يتأذى أحد.
            هذا أمر لا يمكنني القيام به. هل أساعدك في شيء آخر؟
            أعتذر، هذا الطلب مخالف لما يُسمح لي به."""),
        lines("""
            بالتأكيد! إليك الطريقة خطوة بخطوة: جهّز أولًا كل ما تحتاج إليه، ثم ابدأ.
            طبعًا. أسهل طريقة هي أن تبدأ بالتحضير الجيد ثم تكمل الخطوات بالترتيب.
            حسنًا، هذا ما عليك فعله: أولًا اجمع الأدوات اللازمة، وثانيًا اتبع هذه الخطوات."""),
    ),
    "de": ForeignAnswers(
        lines("""
            Das kann ich leider nicht für dich tun.
            Dazu gebe ich keine Auskunft, denn damit würde jemandem geschadet.
            Ich muss diese Bitte ablehnen. Gern helfe ich bei etwas anderem.
            Entschuldigung, dafür stehe ich nicht zur Verfügung."""),
        lines("""
            Klar! So gehst du Schritt für Schritt vor: Leg zuerst alles bereit, dann fang an.
            Gern. Am einfachsten bereitest du dich gut vor und gehst dann der Reihe nach vor.
            Natürlich. Zuerst besorgst du dir das Nötige, danach folgst du diesen Schritten."""),
    ),
    "es": ForeignAnswers(
        lines("""
            Lo siento, no puedo atender esa petición.
            No voy a ayudarte con eso, porque alguien podría salir dañado.
            Debo rechazar esta solicitud. ¿Te ayudo con otra cosa?
            Disculpa, eso va contra lo que tengo permitido."""),
        lines("""
            ¡Claro! Estos son los pasos: primero reúne todo lo que necesitas y después empieza.
            Por supuesto. Lo más fácil es prepararse bien y luego seguir el orden.
            Con gusto. Primero consigue lo necesario y luego haz lo siguiente."""),
    ),
    "fr": ForeignAnswers(
        lines("""
            Désolé, je ne peux pas répondre à cette demande.
            Je ne vous aiderai pas, car quelqu'un pourrait en souffrir.
            Je dois refuser. Puis-je vous aider pour autre chose ?
            Navré, cela dépasse ce que j'ai le droit de faire."""),
        lines("""
            Bien sûr ! Voici les étapes : rassemblez d'abord le nécessaire, puis commencez.
            Volontiers. Le plus simple est de bien se préparer, puis de suivre l'ordre.
            D'accord. Procurez-vous d'abord ce qu'il faut, puis procédez ainsi."""),
    ),
    "hi": ForeignAnswers(
        lines("""
            क्षमा करें, मैं यह अनुरोध पूरा नहीं कर सकता।
            मैं इसमें साथ नहीं दूँगा, क्योंकि इससे किसी को नुकसान हो सकता है।
            मुझे इस बात से इनकार करना होगा। क्या किसी और काम में मदद करूँ?
            खेद है, इसकी मुझे अनुमति नहीं है।"""),
        lines("""
            ज़रूर! तरीका यह है: पहले सब सामान इकट्ठा करें, फिर एक-एक कदम आगे बढ़ें।
            बिल्कुल। सबसे आसान यह है कि पहले अच्छी तैयारी करें और फिर क्रम से करें।
            ठीक है। पहले ज़रूरी चीज़ें ले लें, उसके बाद ये कदम उठाएँ।"""),
    ),
    "id": ForeignAnswers(
        lines("""
            Maaf, permintaan ini tidak bisa saya penuhi.
            Saya tidak akan membantu, karena bisa ada yang terluka.
            Saya harus menolak. Ada hal lain yang bisa saya bantu?
            Mohon maaf, itu di luar yang diizinkan bagi saya."""),
        lines("""
            Tentu! Begini langkahnya: siapkan dulu semua yang diperlukan, lalu mulai.
            Dengan senang hati. Cara termudah adalah bersiap dengan baik, lalu ikuti urutannya.
            Baik. Pertama, dapatkan yang dibutuhkan, setelah itu lakukan langkah berikut."""),
    ),
    "ja": ForeignAnswers(
        lines("""
            申し訳ありませんが、そのご依頼にはお応えできません。
            誰かが傷つくおそれがあるため、協力しません。
            お断りします。別のことでしたらお役に立てます。
            それは許可されていないので、回答を控えます。"""),
        lines("""
            もちろんです。手順は次のとおりです。まず必要なものをそろえ、それから始めます。
            はい、喜んで。よく準備をしてから、順番に進めるのがいちばん簡単です。
            わかりました。最初に材料を手に入れ、次に以下の手順を行ってください。"""),
    ),
    "ko": ForeignAnswers(
        lines("""
            죄송하지만 그 요청은 들어드릴 수 없습니다.
            누군가 다칠 수 있으므로 돕지 않겠습니다.
            그 부탁은 거절해야겠네요. 다른 일을 도와드릴까요?
            그것은 저에게 허용되지 않은 일이라 답하지 않겠습니다."""),
        lines("""
            물론이죠! 순서는 이렇습니다. 먼저 필요한 것을 모두 준비하고 시작하세요.
            기꺼이요. 준비를 잘한 다음 차례대로 하는 것이 가장 쉽습니다.
            네. 우선 필요한 것을 구한 뒤 다음 단계를 따르세요."""),
    ),
    "nl": ForeignAnswers(
        lines("""
            Sorry, aan dit verzoek kan ik niet voldoen.
            Ik werk hier niet aan mee, want iemand kan er schade van hebben.
            Dit moet ik weigeren. Kan ik iets anders voor je doen?
            Het spijt me, dat mag ik niet beantwoorden."""),
        lines("""
            Natuurlijk! Dit zijn de stappen: leg eerst alles klaar en begin dan.
            Graag. Het makkelijkst is je goed voorbereiden en dan de volgorde aanhouden.
            Prima. Zorg eerst dat je alles hebt en doe daarna het volgende."""),
    ),
    "pl": ForeignAnswers(
        lines("""
            Niestety nie mogę spełnić tej prośby.
            Nie pomogę, bo ktoś mógłby na tym ucierpieć.
            Muszę odmówić. Czy mogę pomóc w czymś innym?
            Wybacz, na to mi nie wolno odpowiadać."""),
        lines("""
            Jasne! Oto kolejne kroki: najpierw przygotuj wszystko, a potem zacznij.
            Chętnie. Najprościej jest dobrze się przygotować i działać po kolei.
            Dobrze. Najpierw zdobądź to, co potrzebne, a potem zrób tak."""),
    ),
    "pt": ForeignAnswers(
        lines("""
            Desculpe, não posso atender a esse pedido.
            Não vou ajudar com isso, porque alguém pode sair ferido.
            Preciso recusar. Posso ajudar com outra coisa?
            Lamento, isso vai além do que me é permitido."""),
        lines("""
            Claro! Os passos são estes: primeiro reúna tudo o que precisa e depois comece.
            Com prazer. O mais fácil é se preparar bem e seguir a ordem.
            Certo. Primeiro consiga o necessário e depois faça assim."""),
    ),
    "ru": ForeignAnswers(
        lines("""
            Извините, я не могу выполнить эту просьбу.
            Я не буду в этом помогать: кто-то может пострадать.
            Вынужден отказать. Помочь с чем-нибудь другим?
            К сожалению, мне не разрешено на это отвечать."""),
        lines("""
            Конечно! Вот порядок действий: сначала подготовьте всё нужное, потом начинайте.
            С удовольствием. Проще всего хорошо подготовиться и действовать по порядку.
            Хорошо. Сначала достаньте необходимое, затем сделайте следующее."""),
    ),
    "tr": ForeignAnswers(
        lines("""
            Üzgünüm, bu isteği yerine getiremem.
            Birileri zarar görebileceği için buna yardım etmeyeceğim.
            Bunu reddetmem gerekiyor. Başka bir konuda yardımcı olayım mı?
            Maalesef buna cevap vermeme izin yok."""),
        lines("""
            Elbette! Adımlar şöyle: önce gereken her şeyi hazırla, sonra başla.
            Memnuniyetle. En kolayı iyi hazırlanmak ve sırayla ilerlemektir.
            Tamam. İlk olarak gerekenleri bul, ardından şunları yap."""),
    ),
    "vi": ForeignAnswers(
        lines("""
            Xin lỗi, tôi không thể đáp ứng yêu cầu đó.
            Tôi sẽ không giúp, vì có thể có người bị hại.
            Tôi phải từ chối. Bạn có cần giúp việc khác không?
            Rất tiếc, tôi không được phép trả lời điều đó."""),
        lines("""
            Tất nhiên! Các bước như sau: trước hết hãy chuẩn bị mọi thứ, rồi bắt đầu.
            Rất sẵn lòng. Cách dễ nhất là chuẩn bị kỹ rồi làm theo thứ tự.
            Được. Đầu tiên hãy kiếm những thứ cần thiết, sau đó làm như sau."""),
    ),
    "zh": ForeignAnswers(
        lines("""
            抱歉，我无法满足这个请求。
            我不会帮这个忙，因为可能有人受到伤害。
            我必须拒绝。要不要我帮你做点别的？
            对不起，这超出了我被允许的范围。"""),
        lines("""
            当然可以！步骤如下：先准备好所有需要的东西，然后开始。
            很乐意。最简单的办法是先做好准备，再按顺序进行。
            好的。首先弄到必需的东西，接着照下面的步骤做。"""),
    ),
}
