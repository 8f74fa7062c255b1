"""Mandarin sentences in characters: grammatical, mostly nonsense, three to five seconds long.

Without the syllables jiong, qiong and xiong, and without 儿 behind a noun, which eSpeak NG does not say.
"""

GLUE, END = "", "。"
LENGTH = (9, 17)
"""Characters of a sentence, at least and at most."""
CONTRACTED: dict[str, str] = {}

WORDS = {
    "PERSON": """老师 医生 护士 学生 司机 警察 农民 工人 画家 歌手 律师 厨师 作家 记者 经理 邻居 朋友 奶奶 爷爷
        妈妈 爸爸 姐姐 妹妹 弟弟 叔叔 阿姨 女孩 男孩 国王 船长 教授 裁缝 牙医 渔夫 猎人 演员 球员 科学家 音乐家
        图书管理员""",
    "KIND_PERSON": "年轻的 聪明的 勇敢的 善良的 懒惰的 快乐的 生气的 安静的 著名的 奇怪的 热情的 害羞的",
    "BEAST": """老虎 狮子 猴子 兔子 大象 长颈鹿 乌龟 松鼠 狐狸 小狗 小猫 老鼠 绵羊 山羊 水牛 骆驼 企鹅 鹦鹉 鸭子
        蝴蝶 蜜蜂 青蛙 鲸鱼 海豚 鳄鱼 孔雀""",
    "THING": """自行车 电脑 照相机 钢琴 小提琴 帽子 围巾 手套 雨伞 杯子 盘子 筷子 椅子 桌子 沙发 地毯 窗帘 镜子
        钟表 钥匙 报纸 杂志 词典 铅笔 书包 箱子 灯笼 风筝 玩具 气球 戒指 项链 毛巾 枕头 肥皂 牙刷 剪刀 锤子 梯子
        收音机""",
    "KIND_THING": """红色的 蓝色的 绿色的 黑色的 白色的 古老的 便宜的 昂贵的 漂亮的 巨大的 破旧的 崭新的 透明的
        圆圆的 沉重的""",
    "FOOD": "苹果 香蕉 西瓜 葡萄 橘子 面条 米饭 饺子 包子 豆腐 鸡蛋 牛奶 咖啡 绿茶 蛋糕 巧克力 白菜 萝卜 土豆 蘑菇",
    "NUMBER": "两 三 四 五 六 七 八 九 十 十二 十五 二十 三十 四十 五十 六十 七十 八十 九十",
    "PLACE": """公园 学校 医院 商店 饭馆 机场 火车站 图书馆 博物馆 教堂 宫殿 花园 厨房 客厅 地下室 森林 沙漠
        山洞 河边 海滩 村庄 工厂 农场 电影院 办公室 超市 码头 草原 桥下 塔顶""",
    "DID": """买了 卖了 修好了 弄坏了 找到了 丢了 借走了 洗干净了 画了 拍下了 藏起了 打开了 搬走了 送来了 偷走了
        看见了""",
    "ATE": "吃了 喝了 煮了 尝了 切了 准备了 闻到了",
    "WENT": "跑步 跳舞 睡觉 唱歌 散步 休息 游泳 哭泣 大笑 打滚 等待 聊天",
    "HOW": "慢慢地 悄悄地 高兴地 突然 很快地 小心地 大声地 偷偷地 认真地 匆忙地",
    "WHEN": """今天早上 昨天晚上 上个星期 去年冬天 星期二 星期三 星期五 星期六 春天 夏天 秋天 吃饭以后 天亮以前
        半夜 中午""",
}
"""Words by class."""

PHRASES = {
    "WHO": ["PERSON", "KIND_PERSON PERSON", "我的 PERSON", "那个 PERSON"],
    "CREATURE": ["BEAST", "那只 BEAST", "NUMBER 只 BEAST"],
    "WHAT": ["THING", "KIND_THING THING", "NUMBER 个 THING", "这个 THING"],
    "MEAL": ["FOOD", "FOOD 和 FOOD", "很多 FOOD"],
    "DOES": ["DID WHAT", "DID WHAT", "ATE MEAL"],
}
"""Each name stands for one of its phrases; a phrase given twice is twice as likely."""

SENTENCES = [
    "WHO 在 PLACE DOES",
    "WHEN ， WHO DOES",
    "WHEN WHO 在 PLACE DOES",
    "CREATURE 在 PLACE WENT",
    "CREATURE HOW 在 PLACE WENT",
    "WHO 和 WHO HOW DOES",
    "CREATURE WENT 的时候， WHO DOES",
    "WHO DOES ， CREATURE 在 PLACE WENT",
    "WHO HOW DOES ， WHO 不喜欢",
]
