"""A run's settings in the words of `transformers` and TRL."""

import torch
from trl import SFTConfig

from app.train.network import Precision
from app.train.recipe import FinetuneConfig
from app.train.trainer import EVALUATION_LOSS


def trainer_arguments(config: FinetuneConfig, precision: Precision) -> SFTConfig:
    """The trainer's arguments. Making them also joins the other processes, where there are any."""
    optimizer, evaluation = config.optimizer, config.evaluation
    evaluated = bool(config.validation)
    return SFTConfig(
        output_dir=str(config.run_folder),
        use_cpu=config.device == "cpu" or not torch.cuda.is_available(),
        bf16=precision.compute is torch.bfloat16,
        fp16=precision.compute is torch.float16,
        optim=optimizer.name,
        learning_rate=optimizer.learning_rate,
        lr_scheduler_type=optimizer.scheduler,
        warmup_steps=optimizer.warmup,
        weight_decay=optimizer.weight_decay,
        max_grad_norm=optimizer.clip_norm,
        num_train_epochs=optimizer.epochs,
        max_steps=optimizer.steps if optimizer.steps is not None else -1,
        per_device_train_batch_size=optimizer.batch_size,
        gradient_accumulation_steps=optimizer.accumulation,
        gradient_checkpointing=config.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if config.gradient_checkpointing else None,
        eval_strategy="steps" if evaluated else "no",
        eval_steps=evaluation.every if evaluated else None,
        per_device_eval_batch_size=evaluation.batch_size or optimizer.batch_size,
        prediction_loss_only=True,
        load_best_model_at_end=evaluated,
        metric_for_best_model=EVALUATION_LOSS if evaluated else None,
        greater_is_better=False if evaluated else None,
        save_strategy="steps",
        save_steps=config.save_every,
        save_total_limit=config.keep,
        # Patience counts on after a resumption as if there had been none.
        restore_callback_states_from_checkpoint=True,
        logging_strategy="steps",
        logging_steps=config.log_every,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        seed=config.seed,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        # The loss is the answers' alone; routers of mixtures of experts are not balanced anew.
        router_aux_loss_coef=0.0,
        dataloader_pin_memory=torch.cuda.is_available() and config.device == "auto",
    )
