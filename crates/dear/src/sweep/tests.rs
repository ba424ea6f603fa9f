use super::*;

fn candidate(score: Option<f64>, admitted: bool) -> Candidate {
    Candidate {
        criterion: None,
        gate: "g".to_owned(),
        ranking: Ranking::Rad,
        head: "h".to_owned(),
        kept: 1,
        judged: vec![Judged {
            r_acc: Some(0.9),
            f_acc: Some(0.8),
            balanced_accuracy: Some(0.85),
            auc: None,
            tpr_at_5_fpr: None,
            chosen_by: score,
        }],
        score,
        admitted,
        error: None,
    }
}

/// One channel: logits are the features. 10 real images, of which one is wrong, and 10 generated.
fn set() -> (Vec<f32>, Vec<u8>) {
    let features: Vec<f32> = (0..20).map(|i| if i == 9 || i >= 10 { 1.0 } else { -1.0 }).collect();
    let labels: Vec<u8> = (0..20).map(|i| u8::from(i >= 10)).collect();
    (features, labels)
}

fn operating((features, labels): &(Vec<f32>, Vec<u8>)) -> Operating<'_> {
    Operating { name: "clean", samples: Samples { features, channels: 1, labels } }
}

fn judge<'a>(sets: &'a [Operating<'a>], max_r_acc_loss: Option<f64>) -> Judge<'a> {
    let base = Head { weight: vec![1.0], bias: 0.0 };
    Judge::new(sets, &base, &SweepOptions { max_r_acc_loss, ..SweepOptions::default() }).unwrap()
}

#[test]
fn the_best_admitted_is_chosen_and_ties_go_to_the_first() {
    let set = set();
    let sets = [operating(&set)];
    let judge = judge(&sets, None);
    // Standard error of the chosen: sqrt(0.9 x 0.1 / 10 + 0.8 x 0.2 / 10) / 2 = 0.0790.
    let tried = [
        candidate(Some(0.85), true),
        candidate(None, false),
        candidate(Some(0.9), true),
        candidate(Some(0.99), false),
        candidate(Some(0.9), true),
        candidate(Some(0.82), true),
    ];
    assert_eq!(choose(&tried, &judge), (Some(2), 3));
    assert!((judge.standard_error(&tried[2]) - 0.079_056_94).abs() < 1e-8);
    assert_eq!(choose(&tried[3..4], &judge), (None, 0));
}

#[test]
fn heads_are_judged_by_class_and_by_what_they_lose() {
    let set = set();
    let sets = [operating(&set), operating(&set)];
    let judge = judge(&sets, Some(5.0));
    assert_eq!(judge.counts(), (10, 10));
    let base = judge.unmoved("base", &Head { weight: vec![1.0], bias: 0.0 });
    assert_eq!((base.judged[0].r_acc, base.judged[1].f_acc, base.score), (Some(0.9), Some(1.0), Some(0.95)));
    assert!(base.admitted);
    // Everything is called generated: R.Acc falls from 0.9 to 0.
    let all = judge.unmoved("all", &Head { weight: vec![1.0], bias: 5.0 });
    assert_eq!((all.judged[0].r_acc, all.score, all.admitted), (Some(0.0), Some(0.5), false));
    let moved = judge.biased(&Head { weight: vec![1.0], bias: 7.0 }).unwrap();
    assert_eq!(judge.unmoved("moved", &moved).score, Some(0.95), "a moved bias is moved back");
}

#[test]
fn where_nothing_is_admitted_the_table_stays_and_the_reason_is_told() {
    let set = set();
    let sets = [operating(&set)];
    let judge = judge(&sets, Some(2.5));
    let base = judge.unmoved("base", &Head { weight: vec![1.0], bias: 0.0 });
    let lost = judge.unmoved("all generated", &Head { weight: vec![1.0], bias: 5.0 });
    let (chosen, within_one_error) = choose(std::slice::from_ref(&lost), &judge);
    let sweep = Sweep {
        schema: 1,
        detector: "d".to_owned(),
        backbone_sha256: "0".to_owned(),
        options: SweepOptions { max_r_acc_loss: Some(2.5), ..SweepOptions::default() },
        conditions: vec!["clean".to_owned()],
        real: 10,
        fake: 10,
        base: base.clone(),
        base_bias: base,
        candidates: vec![lost],
        chosen,
        within_one_error,
    };
    let words = crate::report::sweep::sentences(&sweep).join(" ");
    let reason =
        "none of 1 candidate keeps R.Acc within 2.5 points of the detector as it was under every condition";
    assert!(words.contains(&format!("Nothing is chosen: {reason}.")), "{words}");
    let page = crate::report::sweep::page(&sweep, "dear sweep");
    assert!(page.contains("loses too much R.Acc") && !page.contains("circle class=\"ring\""));
}
